-- Times rspamd's parser of Received lines, for the comparison with spoor's.
-- Run as: rspamadm lua -b -s received.lua, with the file of lines (one value a
-- line) named in $LINES_FILE. It prints ns of processor time per line, twice:
-- "header ns/line" from the bytes of a header to the fields of its lines, which is
-- the time of a message that holds all the lines less that of one that holds none;
-- "parser ns/line", which is its time less that of a message with the same lines
-- under a name that rspamd does not parse.
local rspamd_task = require "rspamd_task"

local lines = {}
for l in io.lines(os.getenv("LINES_FILE")) do
  if #l > 0 and l:sub(1, 1) ~= "#" then lines[#lines + 1] = l end
end

local function build(name)
  local t = {}
  if name then
    for _, l in ipairs(lines) do t[#t + 1] = name .. ": " .. l end
  end
  t[#t + 1] = "From: anna@example.com\r\nSubject: x\r\n\r\nbody\r\n"
  return table.concat(t, "\r\n")
end

local function best(msg)
  local least
  for _ = 1, 300 do
    local start = os.clock()
    local n = 1
    for _ = 1, n do
      local ok, task = rspamd_task.load_from_string(msg, rspamd_config)
      if not ok then error("cannot load the message") end
      task:process_message()
      task:destroy()
    end
    local took = (os.clock() - start) / n
    if not least or took < least then least = took end
  end
  return least
end

-- what is compared must have been read
local ok, task = rspamd_task.load_from_string(build("Received"), rspamd_config)
task:process_message()
local got = #(task:get_received_headers() or {})
task:destroy()
if got < #lines / 2 then error("only " .. got .. " lines were read") end

local all, unparsed, none = best(build("Received")), best(build("X-Unparsed")), best(build(nil))
print(string.format("lines %d read %d", #lines, got))
print(string.format("header ns/line %.0f", (all - none) / #lines * 1e9))
print(string.format("parser ns/line %.0f", (all - unparsed) / #lines * 1e9))
