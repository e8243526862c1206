-- ./dev bench: the workloads of workloads.lua in ganlua and, beside it, in PyTorch, alternating in one run.
--
--   ./dev bench [OPTIONS] [WORKLOAD ...]      without names: all of them
--     --python PATH    a Python with PyTorch; may be given several times (default: /usr/bin/python3)
--     --no-python      ganlua alone
--     --threads N      of both (default: cores)
--     --kernels SET    of ganlua: portable, avx2, avx512, ...
--     --precision P    bf16: of both
--     --rounds N       turns of each (default 9)
--     --json FILE      everything that was measured
--     --chart FILE     a bar chart, PNG
--     --scaling FILE   instead: cost against batch, width, picture size, parameters and threads, drawn as PNG
--     --ranks          instead: what a step would take on 2 to 1,024 machines, by a model of the network
--     --quick          a single step each: to see that all of it runs
--
-- A ratio is PyTorch's time over ganlua's in the same turn; median and quartiles are those over the turns. PyTorch runs
-- in the fastest of its ways to do it (peer.py tries them beforehand). Peaks are CPU-time rates: other programs do not
-- lower them, but they do lower everything else, so that a busy machine is said to be one.

local gan = require "ganlua"
local core = require "ganlua.core"

local here = arg[0]:match("^(.*/)") or ""
local statistics = dofile(here .. "statistics.lua")
local worker = dofile(here .. "worker.lua")
local workloads = dofile(here .. "workloads.lua")
local quote = worker.quote

local order = {
  "mlp_ring", "dcgan28", "dcgan28_r1", "dcgan28_gp", "dcgan64", "sngan32", "sample", "load", "startup",
}

---- Options -------------------------------------------------------------------------------------------------------

local function die(format, ...)
  io.stderr:write("bench: ", format:format(...), "\n")
  os.exit(1)
end

local function parse(words)
  local o = { pythons = {}, names = {}, rounds = 9, python = true, options = {} }
  local takes = {
    ["--threads"] = tonumber, ["--kernels"] = tostring, ["--precision"] = tostring, ["--rounds"] = tonumber,
    ["--json"] = tostring, ["--chart"] = tostring, ["--scaling"] = tostring, ["--python"] = tostring,
  }
  local i = 1
  while i <= #words do
    local word = words[i]
    if takes[word] then
      i = i + 1
      local value = words[i] and takes[word](words[i])
      if not value then die("%s needs a value", word) end
      if word == "--python" then table.insert(o.pythons, value) else o[word:sub(3)] = value end
    elseif word == "--no-python" then
      o.python = false
    elseif word == "--ranks" then
      o.ranks = true
    elseif word == "--quick" then
      o.quick, o.rounds = true, 1
    elseif workloads[word] or word == "startup" then
      table.insert(o.names, word)
    else
      die("no option or workload '%s'; workloads: %s", word, table.concat(order, " "))
    end
    i = i + 1
  end
  if #o.names == 0 then o.names = order end
  if #o.pythons == 0 then o.pythons[1] = "/usr/bin/python3" end
  o.threads = o.threads or core.threads()
  return o
end

---- The machine ---------------------------------------------------------------------------------------------------

local function first_match(path, pattern)
  local file = io.open(path)
  local text = file and file:read "a" or ""
  if file then file:close() end
  return text:match(pattern)
end

local ganlua = os.getenv "GANLUA_BIN" or here .. "../../build/ganlua"
local peaks_program = (os.getenv "GANLUA_BUILD" or here .. "../../build") .. "/peaks"

-- Things that could not be measured, as sentences.
local missing = {}
local function miss(format, ...)
  local text = format:format(...)
  for _, known in ipairs(missing) do
    if known == text then return end
  end
  missing[#missing + 1] = text
end

local function machine(o)
  local flags = first_match("/proc/cpuinfo", "flags%s*:([^\n]*)") or ""
  local m = {
    cpu = first_match("/proc/cpuinfo", "model name%s*:%s*([^\n]*)"),
    threads = o.threads,
    avx512 = flags:find("avx512f", 1, true) ~= nil,
    amx = flags:find("amx_bf16", 1, true) ~= nil,
    load = tonumber(first_match("/proc/loadavg", "^(%S+)")),
    date = os.date "%Y-%m-%d",
  }
  if core.exists(peaks_program) then
    m.peaks = worker.ask(("%s %d"):format(quote(peaks_program), o.threads))
  else
    miss("the peaks of FMA and sgemm: %s is not built (./dev bench builds it)", peaks_program)
  end
  if not m.amx then miss("anything with AMX: this CPU has none; the targets are those for AVX-512 alone") end
  return m
end

---- The two sides -------------------------------------------------------------------------------------------------

local function listed(options)
  local texts = {}
  for key, value in pairs(options) do texts[#texts + 1] = quote(("%s=%s"):format(key, value)) end
  table.sort(texts)
  return table.concat(texts, " ")
end

local function ganlua_command(o, name, options)
  local kernels = o.kernels and "GANLUA_KERNELS=" .. quote(o.kernels) or ""
  local precision = o.precision and "--precision " .. quote(o.precision) or ""
  return ("%s %s --threads %d %s %s %s %s"):format(kernels, quote(ganlua), o.threads, precision,
    quote(here .. "work.lua"), name, listed(options))
end

-- OpenBLAS of Debian 12 does not know the newest CPUs: telling it what they can do is part of PyTorch's best.
local function environments(m)
  local fixed = "OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=%d MKL_NUM_THREADS=%d ATEN_CPU_CAPABILITY=%s"
  local base = fixed:format(m.threads, m.threads, m.avx512 and "avx512" or "avx2")
  return m.avx512 and { base, base .. " OPENBLAS_CORETYPE=SkylakeX" } or { base }
end

-- The fastest way of one PyTorch to run a workload: { command =, variant = }.
local function best_peer(m, o, python, name, options)
  local best
  local text = ("%s %s %s %s"):format(quote(python), quote(here .. "peer.py"), name, listed(options))
  if o.precision == "bf16" then text = text .. " precision=bf16" end
  for _, environment in ipairs(environments(m)) do
    local answer = not o.quick and worker.ask(("%s %s variants=all"):format(environment, text))
    for variant, ms in pairs(answer and answer.variants or { [""] = 0 }) do
      if not best or ms < best.ms then
        local how = environment:match "OPENBLAS_CORETYPE" and variant .. "+SkylakeX" or variant
        best = { ms = ms, variant = how:gsub("^%+", ""), command = ("%s %s variant=%s"):format(environment, text,
          quote(variant)) }
      end
    end
    if o.quick then break end
  end
  return best
end

-- How many steps make a turn of half a second, at most.
local function turn_length(o, first)
  return o.quick and 1 or math.max(1, math.min(50, math.floor(500 / first)))
end

-- Runs all sides of a workload in turns; side 1 is ganlua. Each side gets its times, memory and ratios.
local function alternate(o, sides)
  for _, side in ipairs(sides) do
    side.worker, side.problem = worker.start(side.command)
    side.times, side.ratios = {}, {}
    if side.worker then
      local warm = side.worker:steps(1)
      warm = warm and not o.quick and side.worker:steps(2) or warm
      side.length = warm and turn_length(o, warm[#warm])
    end
  end
  for _ = 1, o.rounds do
    local ours
    for i, side in ipairs(sides) do
      local times = side.length and side.worker:steps(side.length)
      if times then
        local middle = statistics.quantile(times, 0.5)
        side.times[#side.times + 1] = middle
        if i == 1 then ours = middle elseif ours then side.ratios[#side.ratios + 1] = middle / ours end
      end
    end
  end
  for _, side in ipairs(sides) do
    if side.worker then
      side.about = side.worker.about
      side.memory = side.worker:finish()
    end
    side.worker = nil
  end
  return sides
end

---- Start-up ------------------------------------------------------------------------------------------------------

-- Milliseconds of a command, n times in one shell.
local function shell_time(command, n)
  local before = core.monotonic()
  if not os.execute(("for i in %s; do %s >/dev/null 2>&1 || exit 1; done"):format(("1 "):rep(n), command)) then
    return nil
  end
  return (core.monotonic() - before) * 1000 / n
end

local function startup(o, m)
  local sides = { { name = "ganlua", times = {}, ratios = {}, command = ("%s -e %s"):format(quote(ganlua),
    quote 'require "ganlua".zeros(2, 3)') } }
  for _, python in ipairs(o.pythons) do
    sides[#sides + 1] = { name = python, times = {}, ratios = {}, command = ("%s %s -c %s"):format(environments(m)[1],
      quote(python), quote "import torch; torch.zeros(2, 3)") }
  end
  for _ = 1, o.quick and 1 or math.max(3, o.rounds // 3) do
    local ours
    for i, side in ipairs(sides) do
      local ms = shell_time(side.command, i == 1 and not o.quick and 20 or 1)
      if ms then
        side.times[#side.times + 1] = ms
        if i == 1 then ours = ms elseif ours then side.ratios[#side.ratios + 1] = ms / ours end
      end
    end
  end
  return sides
end

---- One workload --------------------------------------------------------------------------------------------------

-- 60,000 pictures of 28 x 28 as MNIST's file has them.
local function write_idx(count)
  local path, noise = os.tmpname(), {}
  for i = 1, 78400 do noise[i] = string.char(math.random(0, 255)) end
  local file = assert(io.open(path, "wb"))
  file:write(string.pack(">I4I4I4I4", 0x803, count, 28, 28))
  local block = table.concat(noise)
  for _ = 1, count // 100 do file:write(block) end
  file:close()
  return path
end

local function measure(o, m, name)
  if name == "startup" then return startup(o, m) end
  local options, file = {}, nil
  for key, value in pairs(o.options) do options[key] = value end
  if name == "load" then
    file = write_idx(o.quick and 200 or 60000)
    options.file = file
  elseif name == "sample" and o.quick then
    options.count = 250
  elseif o.quick then
    options.batch = 4
  end
  local sides = { { name = "ganlua", command = ganlua_command(o, name, options) } }
  for _, python in ipairs(name ~= "product" and o.pythons or {}) do
    local peer = best_peer(m, o, python, name, options)
    sides[#sides + 1] = { name = python, command = peer.command, variant = peer.variant }
  end
  alternate(o, sides)
  sides.options = options
  if file then os.remove(file) end
  return sides
end

-- The measured sides as plain tables, for JSON and the report.
local function result(name, sides, m)
  local gflop = workloads[name] and workloads[name].gflop
  local row = { workload = name, sides = {}, gflop = gflop and gflop(sides.options or {}) or nil }
  for i, side in ipairs(sides) do
    local entry = {
      name = side.name, variant = side.variant, version = side.about and side.about.version,
      kernels = side.about and side.about.kernels, peak_mb = side.memory and side.memory.peak_mb,
      tensor_mb = side.memory and side.memory.tensor_mb,
    }
    if #side.times > 0 then entry.ms = statistics.summary(side.times) end
    if #side.ratios > 0 then entry.ratio = statistics.summary(side.ratios) end
    if entry.ms and row.gflop then
      entry.gflops = row.gflop / entry.ms.median * 1000
      if m.peaks and m.peaks.fma > 0 then
        entry.share_of_fma, entry.share_of_sgemm = entry.gflops / m.peaks.fma, entry.gflops / m.peaks.best_sgemm
      end
    end
    if not entry.ms then miss("%s on %s: %s", name, side.name, side.problem or "it failed") end
    row.sides[i] = entry
  end
  return row
end

---- The report ----------------------------------------------------------------------------------------------------

local function spread(s, format)
  return (format .. " (" .. format .. " to " .. format .. ")"):format(s.median, s.low, s.high)
end

local function print_row(row)
  for i, side in ipairs(row.sides) do
    local text = { i == 1 and ("%-11s"):format(row.workload) or (" "):rep(11), ("%-14s"):format(
      i == 1 and "ganlua" or "PyTorch " .. (side.version or "")) }
    text[#text + 1] = side.ms and ("%-28s"):format(spread(side.ms, "%.4g") .. " ms") or "not measured"
    if side.gflops then
      text[#text + 1] = ("%5.0f GFLOP/s"):format(side.gflops)
      if side.share_of_fma then
        text[#text + 1] = ("= %2.0f %% of sgemm, %2.0f %% of FMA"):format(100 * side.share_of_sgemm,
          100 * side.share_of_fma)
      end
    end
    if side.peak_mb then text[#text + 1] = ("%4.0f MB"):format(side.peak_mb) end
    if side.ratio then text[#text + 1] = " x" .. spread(side.ratio, "%.2f") end
    if side.variant and side.variant ~= "" then text[#text + 1] = "[" .. side.variant .. "]" end
    print(table.concat(text, " "))
  end
end

local function chart(rows, path)
  local groups, series = {}, {}
  for _, row in ipairs(rows) do
    if row.sides[1].ms and #row.sides > 1 and row.workload ~= "startup" then groups[#groups + 1] = row end
  end
  if #groups == 0 then
    miss("the chart: there is no PyTorch to compare with")
    return
  end
  local names = {}
  for i, row in ipairs(groups) do
    names[i] = row.workload
    for j = 2, #row.sides do
      local side = row.sides[j]
      series[j - 1] = series[j - 1] or { name = "PyTorch " .. (side.version or "?"), values = {} }
      series[j - 1].values[i] = side.ratio and side.ratio.median or 0
    end
  end
  gan.plot.bar {
    title = "ganlua's speed: how many times as long PyTorch takes", groups = names, series = series, mark = 1,
    format = "%.1fx",
  }:save(path)
end

local o = parse(arg)
local m = machine(o)
print(("%s, %d threads, load %.1f before the start"):format(m.cpu or "unknown CPU", m.threads, m.load or 0))
if m.load and m.load > 0.5 then print "this machine is busy: times are longer than they need be, ratios less sure" end
if m.peaks then
  local product = result("product", alternate(o, {
    { name = "ganlua", command = ganlua_command(o, "product", {}) },
  }), {}).sides
  m.peaks.own_sgemm = product[1].gflops
  m.peaks.best_sgemm = math.max(m.peaks.sgemm, m.peaks.own_sgemm or 0)
  print(("peaks, GFLOP/s: FMA %.0f, OpenBLAS's sgemm %.0f (as %s), ganlua's %.0f (%s)"):format(m.peaks.fma,
    m.peaks.sgemm, m.peaks.core, m.peaks.own_sgemm or 0, product[1].kernels or "?"))
end

local function has_torch(python)
  return os.execute(("%s -c 'import torch' >/dev/null 2>&1"):format(quote(python))) == true
end
for i = #o.pythons, 1, -1 do
  if o.python and not has_torch(o.pythons[i]) then miss("PyTorch of %s: `import torch` fails", o.pythons[i]) end
  if not o.python or not has_torch(o.pythons[i]) then table.remove(o.pythons, i) end
end

-- Milliseconds of a step of ganlua's; nil where it cannot be made.
local function time(name, options, threads)
  local with = setmetatable({ threads = threads or o.threads }, { __index = o })
  local sides = alternate(with, { { name = "ganlua", command = ganlua_command(with, name, options) } })
  return sides[1].times[1] and statistics.quantile(sides[1].times, 0.5)
end

if o.scaling then
  dofile(here .. "scaling.lua")(o, time)
elseif o.ranks then
  dofile(here .. "ranks.lua")(o, time)
else
  local rows = {}
  for _, name in ipairs(o.names) do
    rows[#rows + 1] = result(name, measure(o, m, name), m)
    print_row(rows[#rows])
  end
  if o.chart then chart(rows, o.chart) end
  if o.json then core.write_file(o.json, core.json_encode { machine = m, rows = rows, missing = missing }) end
end
if #missing > 0 then print "not measured:" end
for _, text in ipairs(missing) do print("  " .. text) end
