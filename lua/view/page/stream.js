// The connection to the run: events come in, commands go out. It is opened again by itself when it breaks.

const again = 3000; // milliseconds until the next try, where the browser does not try by itself
const patience = 120000; // a command waits for the end of a move

const replies = new Map(); // answers by number: one may come before its number is known here
const waiting = new Map(); // number -> { resolve, reject, timer }
const most = 50;

// Tells `handlers.NAME(data)` each event, and `handlers.lost()` when the connection breaks.
export function listen(handlers) {
  const source = new EventSource("/events");
  for (const name of Object.keys(handlers)) {
    if (name !== "lost") source.addEventListener(name, (event) => handlers[name](JSON.parse(event.data)));
  }
  source.addEventListener("reply", (event) => answered(JSON.parse(event.data)));
  source.onerror = () => {
    handlers.lost();
    for (const number of [...waiting.keys()]) settle(number, { ok: false, error: "the connection was lost" });
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(handlers), again);
  };
}

function settle(number, reply) {
  const one = waiting.get(number);
  waiting.delete(number);
  clearTimeout(one.timer);
  if (reply.ok) one.resolve(reply);
  else one.reject(new Error(reply.error || "the run refused"));
}

function answered(reply) {
  if (waiting.has(reply.id)) return settle(reply.id, reply);
  replies.set(reply.id, reply);
  if (replies.size > most) replies.delete(replies.keys().next().value);
}

// Has the run do something, { do: "pause" } for one; its reply, or an error that says why not.
export async function command(what) {
  const response = await fetch("/command", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(what),
  });
  const taken = await response.json().catch(() => ({ ok: false, error: `the server said ${response.status}` }));
  if (!taken.ok) throw new Error(taken.error || "the run refused");
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(taken.id, { ok: false, error: "no answer" }), patience);
    waiting.set(taken.id, { resolve, reject, timer });
    const early = replies.get(taken.id);
    if (early) {
      replies.delete(taken.id);
      settle(taken.id, early);
    }
  });
}
