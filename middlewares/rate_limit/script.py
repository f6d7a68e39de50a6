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
-- ARGV[1]: numbers with spaces between them, because many arguments take a client long. How many policies, of each:
-- kind, tick (us), x, y. How many hits, of each: a policy and a cost, which is one charge of a bucket; or 0, mode,
-- charges, and of each charge: policy, cost, gate, mark. The reply is numbers too. First the time; then of a single
-- charge its state, below 0 if it did not fit; of other hits 1 or 0, and the states.
local numbers, count = {}, 0
for number in string.gmatch(ARGV[1], '%d+') do
  count = count + 1
  numbers[count] = tonumber(number)
end
local time = redis.call('TIME')
local us = time[1] * 1000000 + time[2]
local kinds, ticks, xs, ys, nows = {}, {}, {}, {}, {}
local at = 2
for p = 1, numbers[1] do
  kinds[p], ticks[p], xs[p], ys[p] = numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]
  nows[p] = math.floor(us / ticks[p])
  at = at + 4
end
local raw = redis.call('MGET', unpack(KEYS))
-- By name: the state, once it was read or changed here, and the policy of those to be written.
local states, changed = {}, {}
local reply, told, key = {us}, 1, 0

local function load(n, kind)
  local state = states[KEYS[n]]
  if state then return state end
  state = {}
  for part in string.gmatch(raw[n] or '', '%d+') do state[#state + 1] = tonumber(part) end
  if #state ~= kind then
    for i = 1, kind do state[i] = 0 end
    state[kind + 1] = nil
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

local function store(n, p, s)
  states[KEYS[n]], changed[KEYS[n]] = s, p
end

local function full()
  local mode, charges = numbers[at + 1], numbers[at + 2]
  at = at + 3
  local afters, fits = {}, true
  for i = 1, charges do
    local b = at + (i - 1) * 4
    local p, cost = numbers[b], numbers[b + 1]
    local kind, x, y, now = kinds[p], xs[p], ys[p], nows[p]
    local s, mended = sound(kind, load(key + i, kind), now, x, y)
    states[KEYS[key + i]] = s
    if mended then store(key + i, p, s) end
    local ok = true
    if mode == 0 then
      afters[i], ok = charge(kind, s, now, x, y, cost)
    elseif mode == 1 then
      afters[i] = debit(kind, s, now, x, y, cost)
    else
      afters[i] = refund(kind, s, now, x, y, cost, numbers[b + 3])
    end
    fits = fits and ok
  end
  told = told + 1
  reply[told] = fits and 1 or 0
  for i = 1, charges do
    local b = at + (i - 1) * 4
    local p = numbers[b]
    if fits and numbers[b + 1] > 0 and (mode > 0 or numbers[b + 2] == 0) then store(key + i, p, afters[i]) end
    local s = states[KEYS[key + i]]
    for part = 1, kinds[p] do
      told = told + 1
      reply[told] = s[part]
    end
  end
  key = key + charges
  at = at + 4 * charges
end

local hits = numbers[at]
at = at + 1
for _ = 1, hits do
  local p = numbers[at]
  if p == 0 then
    full()
  else
    -- What most hits are, in few steps: the same as `sound` and `charge`.
    local cost, now, x, y = numbers[at + 1], nows[p], xs[p], ys[p]
    at, key, told = at + 2, key + 1, told + 1
    local name = KEYS[key]
    local state = states[name]
    local value = state and state[1] or tonumber(raw[key]) or 0
    if value > now + 2 * y then
      value = now + y
      states[name], changed[name] = {value}, p
    end
    local after = (value > now and value or now) + cost * x
    if after - now > y then
      reply[told] = -value
    elseif cost > 0 then
      states[name], changed[name] = {after}, p
      reply[told] = after
    else
      reply[told] = value
    end
  end
end

for name, p in pairs(changed) do
  local s, kind = states[name], kinds[p]
  local ends = s[1]
  if kind == 3 then ends = ends + 2 * xs[p] end
  local ttl = math.max(1, math.ceil((ends - nows[p]) * ticks[p] / 1000))
  if kind == 1 then
    redis.call('SET', name, string.format('%.0f', ends), 'PX', ttl)
  else
    redis.call('SET', name, string.format(string.rep('%.0f:', kind), unpack(s)), 'PX', ttl)
  end
end
return string.format(string.rep('%.0f ', told), unpack(reply))
"""
