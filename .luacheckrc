-- `dev lint` runs luacheck with this over every Lua file of the project.
std = "lua54"
max_line_length = 120
cache = false

-- `_` is what is not looked at; a method may leave `self` alone.
ignore = { "212/self", "212/_.*" }

files["spec"] = {
  std = "lua54+busted",
  -- `assert.are.same` and its kin are fields that luassert adds to a function.
  globals = { "assert" },
}
