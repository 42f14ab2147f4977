// Compiles the contracts with npm solc and writes one artifact each into the Python package.
//   node build.mjs           write
//   node build.mjs --check   compare; exit 1 and name what differs
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const HERE = dirname(fileURLToPath(import.meta.url));
const TARGET = join(HERE, "..", "tbill_defi", "ledger", "artifacts");
const DEPLOYABLE = {
  AssetFactory: "src/AssetFactory.sol",
  AssetRegistry: "src/AssetRegistry.sol",
  CashFactory: "src/CashFactory.sol",
  CashToken: "src/CashToken.sol",
  ClearingHouse: "src/settlement/ClearingHouse.sol",
  Compliance: "src/Compliance.sol",
  CouponPayer: "src/life/CouponPayer.sol",
  IdentityRegistry: "src/IdentityRegistry.sol",
  ManagedAccount: "src/mandate/ManagedAccount.sol",
  MandateGuard: "src/mandate/MandateGuard.sol",
  PriceOracle: "src/oracle/PriceOracle.sol",
  Issuance: "src/life/Issuance.sol",
  AuctionBook: "src/life/AuctionBook.sol",
  EarlyRedemption: "src/life/EarlyRedemption.sol",
  Stripping: "src/life/Stripping.sol",
  HolderVotes: "src/life/HolderVotes.sol",
  RoleManager: "src/RoleManager.sol",
  HolderCount: "src/compliance/rules/HolderCount.sol",
  LockUp: "src/compliance/rules/LockUp.sol",
  MinimumHolding: "src/compliance/rules/MinimumHolding.sol",
  RequiredClaims: "src/compliance/rules/RequiredClaims.sol",
  ShareOfSupply: "src/compliance/rules/ShareOfSupply.sol",
  RepoFacility: "src/repo/RepoFacility.sol",
  OptionBook: "src/option/OptionBook.sol",
  SecurityToken: "src/SecurityToken.sol",
  Settlement: "src/Settlement.sol",
  TimelockController: "@openzeppelin/contracts/governance/TimelockController.sol",
  TradeBook: "src/settlement/TradeBook.sol",
};
const MAX_RUNTIME_BYTES = 24_576;
const MAX_GAS = 2 ** 22;
const EXPECTED_WARNINGS = new Set(["2394"]); // transient storage, used by OpenZeppelin's guard, which clears it

const settings = JSON.parse(readFileSync(join(HERE, "settings.json"), "utf8"));

// Units carry names relative to contracts/, whatever the folder is called: nothing of the machine enters the output.
function readUnit(name) {
  const root = name.startsWith("@") ? join(HERE, "node_modules") : HERE;
  return readFileSync(join(root, name), "utf8").replaceAll("\r\n", "\n");
}

// A library's warnings are its own affair; an error never is.
function isExpected({ severity, errorCode, sourceLocation }) {
  return severity === "warning" && (EXPECTED_WARNINGS.has(errorCode) || sourceLocation?.file.startsWith("@"));
}

function compile() {
  const roots = Object.values(DEPLOYABLE);
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(roots.map((name) => [name, { content: readUnit(name) }])),
    settings: {
      ...settings,
      outputSelection: { "*": { "": ["ast"], "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (name) => ({ contents: readUnit(name) }) }));
  const problems = (output.errors ?? []).filter((e) => e.severity !== "info" && !isExpected(e));
  if (problems.length > 0) throw new Error(problems.map((e) => e.formattedMessage).join("\n"));
  return output;
}

// Every unit a contract is compiled from, itself included, sorted by name.
function unitsOf(root, sources) {
  const seen = new Set();
  const visit = (name) => {
    if (seen.has(name)) return;
    seen.add(name);
    sources[name].ast.nodes.filter((n) => n.nodeType === "ImportDirective").forEach((n) => visit(n.absolutePath));
  };
  visit(root);
  return [...seen].sort();
}

// SHA-256 over "name NUL text NUL" of each unit.
function sourceHash(units) {
  const hash = createHash("sha256");
  for (const name of units) hash.update(`${name}\0${readUnit(name)}\0`);
  return hash.digest("hex");
}

// What deployment costs at least: transaction, creation, calldata, code deposit.
function deploymentGas(bytecode, runtime) {
  const data = Buffer.from(bytecode, "hex");
  const calldata = data.reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 0);
  return 53_000 + calldata + 2 * Math.ceil(data.length / 32) + 200 * (runtime.length / 2);
}

function artifacts() {
  const output = compile();
  return Object.entries(DEPLOYABLE).map(([contractName, unit]) => {
    const { abi, evm } = output.contracts[unit][contractName];
    const bytecode = evm.bytecode.object;
    const runtime = evm.deployedBytecode.object;
    const gas = deploymentGas(bytecode, runtime);
    if (runtime.length / 2 > MAX_RUNTIME_BYTES) throw new Error(`${contractName}: ${runtime.length / 2} bytes of code`);
    if (gas >= MAX_GAS) throw new Error(`${contractName}: ${gas} gas to deploy, at most ${MAX_GAS}`);
    const artifact = {
      contractName,
      compiler: solc.version().replace(/\.Emscripten\.clang$/, ""),
      settings,
      sourceHash: sourceHash(unitsOf(unit, output.sources)),
      abi,
      bytecode: `0x${bytecode}`,
      deployedBytecode: `0x${runtime}`,
    };
    return { contractName, size: runtime.length / 2, gas, text: `${JSON.stringify(artifact, null, 1)}\n` };
  });
}

const check = process.argv.includes("--check");
mkdirSync(TARGET, { recursive: true });
const made = artifacts();
const known = new Set(made.map(({ contractName }) => `${contractName}.json`));
const stale = readdirSync(TARGET).filter((file) => file.endsWith(".json") && !known.has(file));
let different = 0;
for (const file of stale) {
  if (check) console.error(`${file}: no contract of this name`);
  else rmSync(join(TARGET, file));
  different += 1;
}
for (const { contractName, size, gas, text } of made) {
  const path = join(TARGET, `${contractName}.json`);
  const same = existsSync(path) && readFileSync(path, "utf8").replaceAll("\r\n", "\n") === text;
  if (!same) {
    different += 1;
    if (check) console.error(`${contractName}: the committed artifact is not what the sources compile to`);
    else writeFileSync(path, text);
  }
  if (!check) console.log(`${contractName.padEnd(18)}${String(size).padStart(7)} bytes ${String(gas).padStart(9)} gas`);
}
if (check && different > 0) process.exit(1);
if (check) console.log(`${made.length} artifacts match their sources`);
