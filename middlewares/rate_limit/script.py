"""The one script that counts on a Redis or Valkey server: it decides with the server's clock, in whole ticks.

It takes the charges of up to 64 hits at once, each hit all or nothing. What the algorithms do is told in
`algorithms`; numbers stay below 2**53, where the doubles of Lua are exact. Every key that it writes has a time to live.
"""

from __future__ import annotations

from typing import Final

__all__ = ("DEBIT", "KINDS", "REFUND", "SCRIPT", "TAKE")

TAKE: Final = 0
DEBIT: Final = 1
REFUND: Final = 2

KINDS: Final = {"bucket": 1, "fixed": 2, "sliding": 3}
"""Numbers of the algorithms; a state has as many parts."""

SCRIPT: Final = """
-- ARGV[1]: numbers with spaces between them, because many arguments take a client long. How many hits, then of each:
-- mode, charges, and of each charge: kind, tick (us), x, y, cost, gate, mark. The reply is written in the same way.
local numbers = {}
for number in string.gmatch(ARGV[1], '%d+') do numbers[#numbers + 1] = tonumber(number) end
local time = redis.call('TIME')
local us = time[1] * 1000000 + time[2]
local raw = redis.call('MGET', unpack(KEYS))
local states, changed, reply = {}, {}, {string.format('%.0f', us)}
local at, key = 1, 0

local function load(n, kind)
  local name = KEYS[n]
  local state = states[name]
  if not state and kind == 1 then
    state = {tonumber(raw[n] or 0) or 0}
  elseif not state then
    state = {}
    for part in string.gmatch(raw[n] or '', '%d+') do state[#state + 1] = tonumber(part) end
    if #state ~= kind then
      state = {}
      for i = 1, kind do state[i] = 0 end
    end
  end
  return state
end

local function sound(kind, s, now, x, y)
  if kind == 1 and s[1] > now + 2 * y then return {now + y}, true end
  if kind == 2 and s[1] > now + x then return {now + x, s[2]}, true end
  if kind == 3 and s[1] > now then return {now, s[2], s[3]}, true end
  return s, false
end

local function present(kind, s, now, x)
  if kind == 1 then return {math.max(s[1], now)} end
  if kind == 2 then
    if s[1] <= now then return {now + x, 0} end
    return {s[1], s[2]}
  end
  local passed = now - s[1]
  if passed < x then return {s[1], s[2], s[3]} end
  if passed < 2 * x then return {s[1] + x, s[3], 0} end
  return {now, 0, 0}
end

local function charge(kind, s, now, x, y, cost)
  local p = present(kind, s, now, x)
  if kind == 1 then
    p[1] = p[1] + cost * x
    return p, p[1] - now <= y
  end
  if kind == 2 then
    p[2] = p[2] + cost
    return p, p[2] <= y
  end
  p[3] = p[3] + cost
  return p, p[3] <= y and p[2] * (x - now + p[1]) + p[3] * x <= y * x
end

local function debit(kind, s, now, x, y, cost)
  local p = present(kind, s, now, x)
  if kind == 1 then p[1] = math.min(p[1] + cost * x, now + 2 * y) end
  if kind > 1 then p[kind] = math.min(p[kind] + cost, 2 * y) end
  return p
end

local function refund(kind, s, now, x, y, cost, mark)
  if kind == 1 then return {math.max(now, s[1] - cost * x)} end
  if s[1] ~= mark or (kind == 2 and mark <= now) then return s end
  local p = {s[1], s[2], s[3]}
  p[kind] = math.max(0, p[kind] - cost)
  return p
end

local function store(n, kind, s, now, tick, x)
  states[KEYS[n]] = s
  local ends = s[1]
  if kind == 3 then ends = s[1] + 2 * x end
  changed[KEYS[n]] = {kind, math.max(1, math.ceil((ends - now) * tick / 1000))}
end

-- What most hits are: one charge of one bucket. The same as below in fewer steps; false where it is not that.
local function quick(at, n)
  if numbers[at + 1] ~= 0 or numbers[at + 2] ~= 1 or numbers[at + 3] ~= 1 then return false end
  local tick, x, y, cost = numbers[at + 4], numbers[at + 5], numbers[at + 6], numbers[at + 7]
  local name, now = KEYS[n], math.floor(us / tick)
  local s = load(n, 1)
  local value = s[1]
  if value > now + 2 * y then return false end
  local after = (value > now and value or now) + cost * x
  local fits = after - now <= y
  local keeps = fits and cost > 0 and numbers[at + 8] == 0
  local text = string.format('%.0f', keeps and after or value)
  if keeps then
    states[name] = {after}
    changed[name] = {1, math.max(1, math.ceil((after - now) * tick / 1000)), text}
  else
    states[name] = s
  end
  reply[#reply + 1] = fits and '1' or '0'
  reply[#reply + 1] = text
  return true
end

local function full()
  local mode, count = numbers[at + 1], numbers[at + 2]
  at = at + 2
  local afters, fits = {}, true
  for i = 1, count do
    local b = at + (i - 1) * 7
    local kind, tick, x, y, cost = numbers[b + 1], numbers[b + 2], numbers[b + 3], numbers[b + 4], numbers[b + 5]
    local now = math.floor(us / tick)
    local s, mended = sound(kind, load(key + i, kind), now, x, y)
    states[KEYS[key + i]] = s
    if mended then store(key + i, kind, s, now, tick, x) end
    local ok = true
    if mode == 0 then
      afters[i], ok = charge(kind, s, now, x, y, cost)
    elseif mode == 1 then
      afters[i] = debit(kind, s, now, x, y, cost)
    else
      afters[i] = refund(kind, s, now, x, y, cost, numbers[b + 7])
    end
    fits = fits and ok
  end
  reply[#reply + 1] = fits and 1 or 0
  for i = 1, count do
    local b = at + (i - 1) * 7
    local kind, tick, x = numbers[b + 1], numbers[b + 2], numbers[b + 3]
    if fits and numbers[b + 5] > 0 and (mode > 0 or numbers[b + 6] == 0) then
      store(key + i, kind, afters[i], math.floor(us / tick), tick, x)
    end
    for _, part in ipairs(states[KEYS[key + i]]) do reply[#reply + 1] = string.format('%.0f', part) end
  end
  key = key + count
  at = at + 7 * count
end

for _ = 1, numbers[1] do
  if quick(at, key + 1) then
    at, key = at + 9, key + 1
  else
    full()
  end
end

for name, how in pairs(changed) do
  local text = how[3]
  if not text then
    local parts = {}
    for i = 1, how[1] do parts[i] = string.format('%.0f', states[name][i]) end
    text = table.concat(parts, ':')
  end
  redis.call('SET', name, text, 'PX', how[2])
end
return table.concat(reply, ' ')
"""
