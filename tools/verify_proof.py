"""python verify_proof.py OPERATOR_KEY < PROOF.json: what a proof of `tbill audit prove` shows, or why it shows nothing.

OPERATOR_KEY is the operator's public key as hex, known from elsewhere; or one he had before, from which the
hand-overs in the proof lead to his: all of them, one after another. Needs coincurve, and nothing of tbill_defi.
"""

import json
import sys
from hashlib import sha256

from coincurve import PublicKey


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hashed(*values):
    return sha256(canonical(values)).hexdigest()


def need(truth, words):
    if not truth:
        raise ValueError(words)


def signer(kind, value):
    text, given = canonical([kind, {n: value[n] for n in value if n != "signature"}]), bytes.fromhex(value["signature"])
    need(given.hex() == value["signature"] and len(given) == 65 and given[32] < 128, "bad signature")
    return PublicKey.from_signature_and_message(given[:64] + bytes([given[64] - 27]), text).format().hex()


def climb(node, path):
    for step in path:
        left, right = step.get("left", node), step.get("right", node)
        need(len(step) == 1 and left[0].isdecimal() and right[0].isdecimal(), "a step is not one unsigned sibling")
        node = [str(int(left[0]) + int(right[0])), hashed("node", *left, *right)]
    return node


def verify(data, operator):
    proof = json.loads(data)
    need(canonical(proof) == data and all(part or part == [] for part in proof.values()), "not written canonically")
    leaf, signed = proof["leaf"], proof["checkpoint"]
    keys = [*(one["operator"] for one in proof["handovers"]), signed["operator"]]  # one handed over to the next
    for one, heir in zip(proof["handovers"], keys[1:], strict=True):
        wanted = {n: signed[n] for n in ("chain_id", "genesis_hash")} | {"operator": signer("handover", one)}
        need((wanted | {"successor": heir}).items() <= one.items(), "a hand-over leads nowhere, or is not signed")
    need(signer("checkpoint", signed) == keys[-1] and keys.count(operator) == 1, "not signed by the operator")
    kind, node, path, parts = "transactions", ["1", hashed("transaction", leaf)], proof["path"], 4
    if "holder" in leaf:
        total, root = climb([leaf["amount"], hashed("holding", leaf)], path)
        need(leaf["supply"] == total and leaf["amount"].isdecimal() and int(total) < 2**128, "no unsigned sum")
        kind, node, path, parts = "assets", ["1", hashed("asset", leaf["asset"], total, root)], proof["asset_path"], 5
    need(len(proof) == parts and climb(node, path) == [signed[kind], signed[f"{kind}_root"]], "no proof of it")
    return {"block": signed["height"], "block_hash": signed["block_hash"], "chain_id": signed["chain_id"]} | leaf


if __name__ == "__main__":
    sys.tracebacklimit = 0  # what is wrong is one line
    print(json.dumps(verify(sys.stdin.buffer.read().rstrip(b"\n"), sys.argv[1]), indent=1))
