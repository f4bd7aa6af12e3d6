// Runs host_tests/runner/puretest.py on MicroPython for wasm32: node wasm.mjs SETTINGS.json
// settings: interpreter (path of micropython.mjs), heap (bytes), mounts {folder here: folder there}, path (sys.path), run (Python).
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const settings = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const { loadMicroPython } = await import(pathToFileURL(settings.interpreter));
const print = (line) => fs.writeSync(1, line + "\n");
const mp = await loadMicroPython({ heapsize: settings.heap, pystack: 16 * 1024, stdout: print, stderr: print });

function copy(from, to) {
  mp.FS.mkdirTree(to);
  for (const entry of fs.readdirSync(from)) {
    if (entry.startsWith(".") || entry === "__pycache__") continue;
    const source = path.join(from, entry);
    if (fs.statSync(source).isDirectory()) copy(source, `${to}/${entry}`);
    else mp.FS.writeFile(`${to}/${entry}`, fs.readFileSync(source));
  }
}

for (const [from, to] of Object.entries(settings.mounts)) copy(from, to);
mp.FS.mkdirTree("/scratch");
try {
  await mp.runPythonAsync(`import sys\nsys.path[:] = ${JSON.stringify(settings.path)}\n${settings.run}`);
  process.exit(0);
} catch (error) {
  print(String(error.message ?? error));
  process.exit(1);
}
