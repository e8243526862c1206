-- `luarocks make` in a checkout builds the Lua module (not the interpreter) from the files beside
-- this one, which is why the source has no address.
rockspec_format = "3.0"
package = "ganlua"
version = "dev-1"
source = { url = "file://." }
description = {
  summary = "Experiments with generative adversarial networks",
  detailed = [[
Write the two networks, the loss, the penalties and the schedule of moves in the game between them
as a Lua script. The mathematics runs in a small C engine over BLAS. Needs OpenBLAS, zlib, libpng,
libjpeg, Jansson and the stb headers.]],
  license = "MIT",
}
dependencies = { "lua ~> 5.4" }
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    GANLUA_MODULE_ONLY = "ON",
    GANLUA_LUA_MODULE_DIR = "$(LIBDIR)",
    GANLUA_LUA_INCLUDE_DIR = "$(LUA_INCDIR)",
  },
}
