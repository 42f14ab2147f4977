// Runs forge offline, from node_modules only:  node script/forge.mjs test [options]
// The platform's binary is started directly: the launcher of @foundry-rs/forge loses its exit code.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const arch = { x64: "amd64", arm64: "arm64" }[process.arch];
const file = process.platform === "win32" ? "forge.exe" : "forge";
const forge = join(root, "node_modules", "@foundry-rs", `forge-${process.platform}-${arch}`, "bin", file);
const run = spawnSync(forge, [...process.argv.slice(2), "--offline", "--root", root], { cwd: root, stdio: "inherit" });
if (run.error) console.error(`forge did not start: ${run.error.message} (npm ci in contracts/ installs it)`);
process.exit(run.status ?? 1);
