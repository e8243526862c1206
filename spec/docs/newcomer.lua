--- A new user: clones the repository, follows the tutorial's first page to the letter, and gets the pictures shown
-- there. `./dev newcomer`, some minutes. The same instruction set gives the same bytes; another one gives pictures of
-- the same size and about as much ink.

local root = arg[0]:match "^(.*)spec/docs/newcomer%.lua$"
package.path = root .. "lua/docs/?.lua"
local gan = require "ganlua"
local read = require("ganlua.core").read_file
local pages = require "pages"

local function run(command)
  print("$ " .. command)
  if not os.execute(command) then error("failed: " .. command, 0) end
end

local folder = os.tmpname()
os.remove(folder)
local page = read(root .. "lua/docs/pages/1-first.md")
run(("git clone -q '%s' '%s'"):format(root == "" and "." or root, folder))

for _, block in ipairs(pages.blocks(page)) do
  if block.language == "lua" then
    local file = assert(io.open(folder .. "/" .. block.code:match "^%-%- (%S+)\n", "wb"))
    file:write(block.code)
    file:close()
  elseif block.language == "sh" then
    run(("cd '%s' && env -i PATH=\"$PATH\" HOME=\"$HOME\" sh -e -c '%s'"):format(folder, block.code:gsub("\n$", "")))
  end
end

-- Each picture of the page, and the file that the words before it name.
local problems, made = 0, nil
for line in page:gmatch "[^\n]+" do
  made = line:match "`(runs/[^`]*%.png)`" or made
  local shown = line:match "!%[[^%]]*%]%(([^)]+)%)"
  if shown then
    local theirs = folder .. "/" .. made
    local a, b = gan.image.load(root .. "lua/docs/pages/" .. shown), gan.image.load(theirs)
    local same = read(root .. "lua/docs/pages/" .. shown) == read(theirs)
    local alike = table.concat(a:shape(), "x") == table.concat(b:shape(), "x")
      and (a:mean() - b:mean()):abs():item() < 0.1
    print(("%s: %s"):format(made, same and "the picture shown, byte by byte" or alike and "like the one shown"
      or "not what the page shows: " .. theirs))
    problems = problems + (alike and 0 or 1)
  end
end
if problems > 0 then error("the page does not show what a newcomer sees", 0) end
run(("rm -rf '%s'"):format(folder))
