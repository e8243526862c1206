-- A small convolutional classifier: `ganlua classify.lua FOLDER [WEIGHTS]`, about 15 seconds.
-- FOLDER holds IDX pictures and labels of MNIST's layout. The last 1,000 are kept for the test, the (at most 9,000)
-- before them are learned. Expected on the 10,000 of MNIST's t10k files: about 98 % right. The weights are saved to
-- WEIGHTS, for score.lua.

local gan = require "ganlua"
local nn = gan.nn

local path, weights = arg[1] or error("usage: ganlua classify.lua FOLDER [WEIGHTS]", 0), arg[2]
local data = gan.data.open(path)
local size = data:size()
local train, test = data:slice(math.max(1, size - 9999), size - 1000), data:slice(size - 999, size)

local net = nn.sequential { -- 28x28x1 -> ten scores
  nn.conv2d { out = 16, kernel = 5, stride = 2, pad = 2 }, nn.relu {},
  nn.conv2d { out = 32, kernel = 5, stride = 2, pad = 2 }, nn.relu {},
  nn.flatten {}, nn.linear { out = 128 }, nn.relu {}, nn.dropout { p = 0.3 }, nn.linear { out = 10 },
}
net:build { 1, table.unpack(data:shape()) }

local function accuracy()
  local pictures, labels = test:batch(test:size(), 1)
  local guess = gan.no_grad(net, pictures):argmax(2) - 1 -- places count from 1, labels from 0
  return guess:eq(labels):mean():item()
end

local parameters = net:parameters()
local fast = gan.optim.adam { lr = 1e-3, betas = { 0.9, 0.999 } }
local slow = gan.optim.adam { lr = 2e-4, betas = { 0.9, 0.999 } }
local moments = fast:start(parameters)
for epoch = 1, 10 do
  net:train()
  for _ = 1, train:size() // 64 do
    local pictures, labels = train:batch(64)
    local loss = gan.loss.cross_entropy(net(pictures), labels)
    local optimizer = epoch <= 7 and fast or slow
    optimizer:step(moments, parameters, gan.grad(loss, parameters, { consume = true }))
  end
  net:eval()
  print(("epoch %d: %.1f %% of the test pictures right"):format(epoch, 100 * accuracy()))
end
if weights then gan.save(weights, net:state()) end
