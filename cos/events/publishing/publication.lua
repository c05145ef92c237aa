-- Appends a batch of events to the stream KEYS[1] and publishes each, or nothing at all.
-- ARGV: the stream id that must be reached, the length of the stream, the channel, how many
-- arguments each event has; then for each event its message for the channel and its fields.
-- Answers {'OK', id, ...}, or {'SHORT', id} with the last id that is there.

local last = '0-0'
if redis.call('EXISTS', KEYS[1]) == 1 then
    local facts = redis.call('XINFO', 'STREAM', KEYS[1])
    for index = 1, #facts, 2 do
        if facts[index] == 'last-generated-id' then
            last = facts[index + 1]
        end
    end
end

-- As text: a number of Lua has 53 bits, a part of an id has 64.
local function is_less(one, other)
    if #one ~= #other then
        return #one < #other
    end
    return one < other
end

local has_time, has_number = last:match('(%d+)-(%d+)')
local needs_time, needs_number = ARGV[1]:match('(%d+)-(%d+)')
if is_less(has_time, needs_time) or (has_time == needs_time and is_less(has_number, needs_number)) then
    return {'SHORT', last}
end

local answer = {'OK'}
local width = tonumber(ARGV[4])
for first = 5, #ARGV, width do
    local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*',
        unpack(ARGV, first + 1, first + width - 1))
    redis.call('PUBLISH', ARGV[3], ARGV[first])
    answer[#answer + 1] = id
end
return answer
