// Runs forge offline, from node_modules only:  node script/forge.mjs test [options]
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const forge = join(root, "node_modules", "@foundry-rs", "forge", "bin.mjs");
const run = spawnSync(process.execPath, [forge, ...process.argv.slice(2), "--offline", "--root", root], {
  cwd: root,
  stdio: "inherit",
});
process.exit(run.status ?? 1);
