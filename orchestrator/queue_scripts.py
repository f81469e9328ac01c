"""The scripts of the queue, each one atomic on the tenant's hash tag.

Lanes 1 to 3 are the priorities, lane 4 is `private`. An entry is JSON {run, lane, key, limit}, and the same text in a
lane, among the delayed and among the parked. The keys of a concurrency key are named by entries, so they are made here.
"""

_PRELUDE = """
local function lane(key)
  if redis.call('EXISTS', key) == 0 then redis.call('XGROUP', 'CREATE', key, 'workers', '0', 'MKSTREAM') end
  return key
end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""

# KEYS: lanes, delayed, runs, idempotency or nothing. ARGV: entry, run, created, delay in ms, worker, TTL of the key.
# Returns the run that holds, and the id of a private entry. A repeated call (its reply was lost) changes nothing.
PUT = (
    _PRELUDE
    + """
local entry = cjson.decode(ARGV[1])
if KEYS[7] then
  local known = redis.call('SET', KEYS[7], ARGV[2], 'NX', 'GET', 'EX', ARGV[6])
  if known and known ~= ARGV[2] then return {known, false} end
end
if redis.call('ZADD', KEYS[6], 'NX', ARGV[3], ARGV[2]) == 0 then return {ARGV[2], false} end
if tonumber(ARGV[4]) > 0 and entry.lane < 4 then
  redis.call('ZADD', KEYS[5], now() + ARGV[4], ARGV[1])
  return {ARGV[2], false}
end
local id = redis.call('XADD', lane(KEYS[entry.lane]), '*', 'entry', ARGV[1])
if entry.lane < 4 then return {ARGV[2], false} end
redis.call('XCLAIM', KEYS[4], 'workers', ARGV[5], 0, id, 'FORCE', 'JUSTID')
return {ARGV[2], id}
"""
)

# KEYS: the lane. ARGV: entry.
REQUEUE = _PRELUDE + "redis.call('XADD', lane(KEYS[1]), '*', 'entry', ARGV[1])"

# KEYS: idempotency. ARGV: run.
FORGET = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"

# KEYS: lanes, delayed. ARGV: worker, count, lease in ms, beginning of concurrency keys, held lane + id, ...
# Due runs enter their lanes; leases that are over are taken, then new entries by priority, as far as their key allows.
# Returns what was taken, and the newest id in each of lanes 1 to 3: what is put after this has a greater one.
TAKE = (
    _PRELUDE
    + """
local worker, count, lease, prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local time, taken, held = now(), {}, {}
for i = 5, #ARGV do held[ARGV[i]] = true end

for _, text in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', time, 'LIMIT', 0, 100)) do
  redis.call('XADD', lane(KEYS[cjson.decode(text).lane]), '*', 'entry', text)
  redis.call('ZREM', KEYS[5], text)
end

for i = 1, 4 do
  for _, pending in ipairs(redis.call('XPENDING', lane(KEYS[i]), 'workers', 'IDLE', lease, '-', '+', 1000)) do
    if #taken < count and not held[KEYS[i] .. pending[1]] then
      for _, item in ipairs(redis.call('XCLAIM', KEYS[i], 'workers', worker, lease, pending[1])) do
        table.insert(taken, {KEYS[i], item[1], item[2][2]})
      end
    end
  end
end

local function has_place(entry)
  if not entry.key then return true end
  local active = prefix .. entry.key .. ':active'
  if redis.call('ZSCORE', active, entry.run) then return true end
  if redis.call('ZCARD', active) >= entry.limit then return false end
  return redis.call('ZADD', active, time, entry.run)
end

for i = 1, 3 do
  while #taken < count do
    local reply = redis.call('XREADGROUP', 'GROUP', 'workers', worker, 'COUNT', count - #taken, 'STREAMS', KEYS[i], '>')
    if not reply then break end
    for _, item in ipairs(reply[1][2]) do
      local entry = cjson.decode(item[2][2])
      if has_place(entry) then
        table.insert(taken, {KEYS[i], item[1], item[2][2]})
      else
        redis.call('RPUSH', prefix .. entry.key .. ':parked', item[2][2])
        redis.call('XACK', KEYS[i], 'workers', item[1])
        redis.call('XDEL', KEYS[i], item[1])
      end
    end
  end
end

local newest = {}
for i = 1, 3 do
  local entries = redis.call('XREVRANGE', KEYS[i], '+', '-', 'COUNT', 1)
  newest[i] = entries[1] and entries[1][1] or '0'
end
return {taken, newest}
"""
)

# KEYS: the entry's lane, all lanes, and those set aside if it is to be. ARGV: id, entry, beginning of concurrency keys.
# Whoever deletes the entry hands its place to the first that is parked.
DONE = (
    _PRELUDE
    + """
redis.call('XACK', KEYS[1], 'workers', ARGV[1])
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return end
local entry = cjson.decode(ARGV[2])
if KEYS[6] then redis.call('HSET', KEYS[6], entry.run, ARGV[2]) end
if not entry.key then return end
local active = ARGV[3] .. entry.key .. ':active'
redis.call('ZREM', active, entry.run)
local text = redis.call('LPOP', ARGV[3] .. entry.key .. ':parked')
if not text then return end
local parked = cjson.decode(text)
redis.call('ZADD', active, now(), parked.run)
redis.call('XADD', lane(KEYS[1 + parked.lane]), '*', 'entry', text)
"""
)

# KEYS: lanes, those set aside. ARGV: run. An entry is in a lane or aside, never in both.
WAKE = (
    _PRELUDE
    + """
local text = redis.call('HGET', KEYS[5], ARGV[1])
if not text then return end
redis.call('HDEL', KEYS[5], ARGV[1])
redis.call('XADD', lane(KEYS[cjson.decode(text).lane]), '*', 'entry', text)
"""
)

# KEYS: lanes, one for each id. ARGV: worker, for how long in ms the entries have been idle from now on, ids.
# Only what is still this worker's: nothing is taken back from who took it over.
TOUCH = """
for i, key in ipairs(KEYS) do
  local id = ARGV[2 + i]
  if #redis.call('XPENDING', key, 'workers', id, id, 1, ARGV[1]) > 0 then
    redis.call('XCLAIM', key, 'workers', ARGV[1], 0, id, 'IDLE', ARGV[2], 'JUSTID')
  end
end
"""

# KEYS: lanes. ARGV: the worker that leaves, after how many ms an idle one is forgotten.
PRUNE = """
for _, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then
    for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', key, 'workers')) do
      local consumer = {}
      for i = 1, #fields, 2 do consumer[fields[i]] = fields[i + 1] end
      if consumer.pending == 0 and (consumer.name == ARGV[1] or consumer.idle > tonumber(ARGV[2])) then
        redis.call('XGROUP', 'DELCONSUMER', key, 'workers', consumer.name)
      end
    end
  end
end
"""
