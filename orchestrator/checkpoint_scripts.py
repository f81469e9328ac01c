r"""The scripts of the checkpoint store. Each touches one thread, so that it is atomic and finds its keys on one node.

KEYS: checkpoints, writes, channels, run. ARGV: schema, then what the script names.
"""

import hashlib
from dataclasses import dataclass

_BEGIN = r"""
local checkpoints, writes, channels, run = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local found = redis.call('HGET', channels, 'schema')
if found and found ~= ARGV[1] then return redis.error_reply('SCHEMA ' .. found) end

local function members(key, name) return redis.call('ZRANGEBYLEX', key, '[' .. name .. '\0', '(' .. name .. '\1') end
local function remove(key, name) redis.call('ZREMRANGEBYLEX', key, '[' .. name .. '\0', '(' .. name .. '\1') end
local function namespace_of(name) return string.match(name, '^[^%z]*') end
local function name_of(member) return string.match(member, '^[^%z]*%z[^%z]*') end
local function header_of(member) return cjson.decode(string.match(member, '^[^%z]*%z[^%z]*%z([^%z]*)')) end

local function find(namespace, id)
  if id ~= '' then return members(checkpoints, namespace .. '\0' .. id)[1] end
  return redis.call('ZREVRANGEBYLEX', checkpoints, '(' .. namespace .. '\1', '[' .. namespace .. '\0', 'LIMIT', 0, 1)[1]
end

local function value_name(namespace, channel, version)
  if type(version) == 'number' then version = string.format('%.17g', version) end
  return namespace .. '\0' .. channel .. '\0' .. version
end
"""

# ends a script that writes: the thread gets the TTL of its run; without a run, that of ARGV[2]
_END_OF_WRITE = r"""
redis.call('HSETNX', channels, 'schema', ARGV[1])
local left = redis.call('PTTL', run)
if left == -2 then left = ARGV[2] * 1000 end
for k = 1, 3 do
  if left < 0 then redis.call('PERSIST', KEYS[k]) else redis.call('PEXPIRE', KEYS[k], left) end
end
"""

# ends a script that removes: what is not in `kept` (headers by name) goes, and then every value that none of them has
_SWEEP = r"""
if next(kept) == nil then return redis.call('DEL', checkpoints, writes, channels) end
local used = {schema = true}
for _, member in ipairs(redis.call('ZRANGE', checkpoints, 0, -1)) do
  local name = name_of(member)
  if kept[name] then
    for channel, version in pairs(kept[name].versions) do
      used[value_name(namespace_of(name), channel, version)] = true
    end
  else
    remove(checkpoints, name)
    remove(writes, name)
  end
end
for _, name in ipairs(redis.call('HKEYS', channels)) do
  if not used[name] then redis.call('HDEL', channels, name) end
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the digest by which Redis knows it."""

    text: str

    @property
    def sha(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


PUT = Script(
    _BEGIN
    + r"""
-- TTL, name, rest of the member; name and value of each new channel value
for k = 5, #ARGV, 2 do redis.call('HSET', channels, ARGV[k], ARGV[k + 1]) end
remove(checkpoints, ARGV[3])
redis.call('ZADD', checkpoints, 0, ARGV[3] .. '\0' .. ARGV[4])
"""
    + _END_OF_WRITE
)

PUT_WRITES = Script(
    _BEGIN
    + r"""
-- TTL; of each write its name, '1' if it replaces what is there, the rest of its member
for k = 3, #ARGV, 3 do
  if ARGV[k + 1] == '1' then remove(writes, ARGV[k]) end
  if #members(writes, ARGV[k]) == 0 then redis.call('ZADD', writes, 0, ARGV[k] .. '\0' .. ARGV[k + 2]) end
end
"""
    + _END_OF_WRITE
)

GET = Script(
    _BEGIN
    + r"""
-- namespace, id or '' for the newest
local member = find(ARGV[2], ARGV[3])
if not member then return false end
local values = {}
for channel, version in pairs(header_of(member).versions) do
  local value = redis.call('HGET', channels, value_name(ARGV[2], channel, version))
  if value then values[#values + 1] = channel; values[#values + 1] = value end
end
return {member, values, members(writes, name_of(member))}
"""
)

ANCESTORS = Script(
    _BEGIN
    + r"""
-- namespace, id or '', channels. Per ancestor: its writes, and the values of the channels that had none so far
local wanted, path = {}, {}
for k = 4, #ARGV do wanted[ARGV[k]] = true end
local member = find(ARGV[2], ARGV[3])
while member and next(wanted) do
  local parent = header_of(member).parent
  member = parent ~= '' and find(ARGV[2], parent)
  if member then
    local values, versions = {}, header_of(member).versions
    for channel in pairs(wanted) do
      local value = versions[channel] and redis.call('HGET', channels, value_name(ARGV[2], channel, versions[channel]))
      if value then values[#values + 1] = channel; values[#values + 1] = value end
    end
    for k = 1, #values, 2 do wanted[values[k]] = nil end
    path[#path + 1] = {members(writes, name_of(member)), values}
  end
end
return path
"""
)

NAMES = Script(
    _BEGIN
    + r"""
local names = {}
for k, member in ipairs(redis.call('ZRANGE', checkpoints, 0, -1)) do names[k] = name_of(member) end
return names
"""
)

KEEP_LATEST = Script(
    _BEGIN
    + r"""
-- the newest of each namespace, and behind it the checkpoints that its delta channels are rebuilt from
local newest, kept = {}, {}
for _, member in ipairs(redis.call('ZRANGE', checkpoints, 0, -1)) do newest[namespace_of(member)] = member end
for namespace, member in pairs(newest) do
  local open = {}
  for _, channel in ipairs(header_of(member).deltas) do open[channel] = true end
  repeat
    local header = header_of(member)
    kept[name_of(member)] = header
    for channel, version in pairs(header.versions) do
      if redis.call('HEXISTS', channels, value_name(namespace, channel, version)) == 1 then open[channel] = nil end
    end
    member = next(open) and header.parent ~= '' and find(namespace, header.parent)
  until not member
end
"""
    + _SWEEP
)

DELETE_FOR_RUNS = Script(
    _BEGIN
    + r"""
-- runs
local unwanted, kept = {}, {}
for k = 2, #ARGV do unwanted[ARGV[k]] = true end
for _, member in ipairs(redis.call('ZRANGE', checkpoints, 0, -1)) do
  local header = header_of(member)
  if not unwanted[header.run] then kept[name_of(member)] = header end
end
"""
    + _SWEEP
)

READ = Script(
    _BEGIN
    + r"""
local everything = redis.call('HGETALL', channels)
return {redis.call('ZRANGE', checkpoints, 0, -1), redis.call('ZRANGE', writes, 0, -1), everything}
"""
)

WRITE = Script(
    _BEGIN
    + r"""
-- TTL, number of checkpoints and of writes, their members, then names and values of the channels
local num_checkpoints, num_members = tonumber(ARGV[3]), ARGV[3] + ARGV[4]
for k = 5, #ARGV do
  if k < 5 + num_checkpoints then
    remove(checkpoints, name_of(ARGV[k]))
    redis.call('ZADD', checkpoints, 0, ARGV[k])
  elseif k < 5 + num_members then
    remove(writes, string.match(ARGV[k], '^[^%z]*%z[^%z]*%z[^%z]*%z[^%z]*'))
    redis.call('ZADD', writes, 0, ARGV[k])
  elseif (k - 5 - num_members) % 2 == 0 then
    redis.call('HSET', channels, ARGV[k], ARGV[k + 1])
  end
end
"""
    + _END_OF_WRITE
)
