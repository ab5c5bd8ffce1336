// Makes the calls that come as lines of JSON on stdin, one after the other, and writes what came of each.
import { createInterface } from "node:readline";
import OpenAI from "openai";

for await (const line of createInterface({ input: process.stdin })) {
  const { baseURL, apiKey, method, args, then } = JSON.parse(line);
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  process.stdout.write(JSON.stringify(await outcome(() => call(client, method, args, then))) + "\n");
}

async function call(client, method, args, then) {
  const names = method.split(".");
  const resource = names.slice(0, -1).reduce((found, name) => found[name], client);
  const answer = await resource[names.at(-1)](...args);
  if (then) return answer[then]();
  return answer[Symbol.asyncIterator] ? Array.fromAsync(answer) : answer;
}

async function outcome(making) {
  try {
    return { answer: await making() };
  } catch (error) {
    const { status, code, type, param, message, headers } = error;
    const kind = error.constructor.name;
    return { error: { kind, status, code, type, param, message, headers: Object.fromEntries(headers ?? []) } };
  }
}
