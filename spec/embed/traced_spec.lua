-- The hostile scripts of sandbox_spec.c under strace: what they open, create, rename or ask about lies in the sandbox's
-- folder. Not even a file of the system does anything in between: what os.date or OpenBLAS reads, an instance has read
-- when it is open.

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local shell = dofile(folder .. "../cli/shell.lua")

-- The paths in a line of `strace -y`: "openat(5</tmp/in>, "a.png", O_RDONLY) = 6</tmp/in/a.png>".
local function paths_of(line)
  local paths = {}
  local rest = line:gsub('%f[%w_]([%w_]+)<([^>]*)>, "([^"]*)"', function(_, base, name)
    if name ~= "" then paths[#paths + 1] = name:find "^/" and name or base .. "/" .. name end -- "": an open file
    return ""
  end)
  for name in rest:gmatch '"([^"]*)"' do paths[#paths + 1] = name end
  return paths
end

local function is_in_folder(path)
  local below = path:match "^.*/ganlua%-spec%-%w+/in(.*)$"
  return below and not (below .. "/"):find("/../", 1, true)
end

describe("hostile scripts under strace", function()
  local there = shell.run({ "strace", "-qq", "-f", "true" }).code == 0
  local sanitized = (os.getenv "GANLUA_CFLAGS" or ""):find "sanitize" -- whose library reads files, too
  local seen = (not there or sanitized) and pending or it

  seen("touch nothing outside the folder", function()
    local trace = os.tmpname()
    local result = shell.run({ "strace", "-f", "-y", "-qq", "-s", "4096", "--seccomp-bpf", "-e", "trace=%file",
      "-o", trace, shell.build .. "/specs/sandbox_spec" }, { timeout = 300, env = { GANLUA_SKIP = "does_*" } })
    assert.equal(0, result.code, result.err)
    local inside, scripts, touched = false, 0, 0
    for line in io.lines(trace) do
      local name = line:match '"[^"]*/ganlua%-spec%-%w+/(%l+)", F_OK'
      if name == "begin" then
        inside, scripts = true, scripts + 1
      elseif name == "end" then
        inside = false
      elseif inside then
        for _, path in ipairs(paths_of(line)) do
          assert.truthy(is_in_folder(path), line)
          touched = touched + 1
        end
      end
    end
    os.remove(trace)
    assert.is_true(scripts > 100 and touched > 300, ("%d scripts, %d paths"):format(scripts, touched))
  end)
end)
