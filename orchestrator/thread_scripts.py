"""The scripts of a thread, each one atomic on the thread's hash tag.

KEYS are always the record, its turns, its runs, its open runs. A run that is not in the queue yet is open until a time
given with it; one that is, until it leaves. While a run is open the keys have no TTL, then all of them the same.
"""

_PRELUDE = """
local function expire(seconds)
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, seconds) end
end
local function touch(at) redis.call('HSET', KEYS[1], 'updated', at) end
"""

# ARGV: TTL, fields and values. Returns 0 if there is one already.
CREATE = (
    _PRELUDE
    + """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
expire(ARGV[1])
return 1
"""
)

# ARGV: TTL, time of the change, number of fields to drop, these, fields and values. Returns 0 if there is no thread.
CHANGE = (
    _PRELUDE
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local last = 3 + tonumber(ARGV[3])
if last > 3 then redis.call('HDEL', KEYS[1], unpack(ARGV, 4, last)) end
if #ARGV > last then redis.call('HSET', KEYS[1], unpack(ARGV, last + 1)) end
touch(ARGV[2])
if redis.call('TTL', KEYS[1]) >= 0 then expire(ARGV[1]) end
return 1
"""
)

# ARGV: run, when it was made, now, until when it is open without being queued, TTL until then, '1' to be alone.
ENTER = (
    _PRELUDE
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 'gone' end
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. ARGV[3])
if redis.call('ZSCORE', KEYS[4], ARGV[1]) then return 'entered' end
if ARGV[6] == '1' and redis.call('ZCARD', KEYS[4]) > 0 then return 'busy' end
local is_kept = redis.call('TTL', KEYS[1]) < 0
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[4], ARGV[1])
if not is_kept then expire(ARGV[5]) end
return 'entered'
"""
)

# ARGV: run. It is queued now; one that has left again stays away.
KEEP = """
if not redis.call('ZSCORE', KEYS[4], ARGV[1]) then return end
redis.call('ZADD', KEYS[4], '+inf', ARGV[1])
for _, key in ipairs(KEYS) do redis.call('PERSIST', key) end
"""

# ARGV: run, TTL, time, now, '1' if it never was one of the thread's, its turn and when that ended or nothing.
LEAVE = (
    _PRELUDE
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return end
local has_left = redis.call('ZREM', KEYS[4], ARGV[1])
if ARGV[5] == '1' then redis.call('ZREM', KEYS[3], ARGV[1]) end
if ARGV[6] then redis.call('ZADD', KEYS[2], ARGV[7], ARGV[6]) end
if has_left == 1 then touch(ARGV[3]) end
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. ARGV[4])
if redis.call('ZCARD', KEYS[4]) == 0 then expire(ARGV[2]) end
"""
)

# ARGV: runs that are gone. Returns 1 when the thread is gone too, 0 while another run has come.
DELETE = """
for _, run in ipairs(ARGV) do
  redis.call('ZREM', KEYS[3], run)
  redis.call('ZREM', KEYS[4], run)
end
if redis.call('ZCARD', KEYS[3]) > 0 then return 0 end
redis.call('DEL', unpack(KEYS))
return 1
"""
