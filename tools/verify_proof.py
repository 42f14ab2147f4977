"""python verify_proof.py PROOF.json OPERATOR_KEY: what a proof of `tbill audit prove` shows, or why it shows nothing.

OPERATOR_KEY is the operator's public key as hex, known from elsewhere; or one he had before, from which the
hand-overs in the proof lead to his: all of them, one after another. Needs coincurve, and nothing of tbill_defi.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

from coincurve import PublicKey


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hashed(*values):
    return sha256(canonical(values)).hexdigest()


def need(truth, words):
    if not truth:
        raise ValueError(words)


def signer(kind, value):
    text = canonical([kind, {name: value[name] for name in value if name != "signature"}])
    given = bytes.fromhex(value["signature"])
    need(given.hex() == value["signature"] and len(given) == 65 and given[32] < 128, "bad signature")
    return PublicKey.from_signature_and_message(given[:64] + bytes([given[64] - 27]), text).format().hex()


def climb(node, path):
    for step in path:
        need(len(step) == 1, "a step of the path is not one sibling")
        left, right = step.get("left", node), step.get("right", node)
        if isinstance(node, str):
            node = hashed("node", left, right)
        else:
            need(all(n.isdecimal() and int(n) < 2**128 for n in (left[0], right[0])), "a sum is not an unsigned number")
            node = [str(int(left[0]) + int(right[0])), hashed("sum", *left, *right)]
    return node


def verify(data, operator):
    proof = json.loads(data)
    lists = {name: list(proof[name]) for name in ("path", "reserve_path", "handovers") if name in proof}
    need(canonical(proof | lists) == data, "not written canonically")
    leaf, signed = proof["leaf"], proof["checkpoint"]
    keys = [*(one["operator"] for one in proof["handovers"]), signed["operator"]]  # one handed over to the next
    for one, heir in zip(proof["handovers"], keys[1:], strict=True):
        wanted = {n: signed[n] for n in ("chain_id", "genesis_hash")} | {"operator": signer("handover", one)}
        need((wanted | {"successor": heir}).items() <= one.items(), "a hand-over leads nowhere, or is not signed")
    need(signer("checkpoint", signed) == keys[-1] and keys.count(operator) == 1, "not signed by the operator")
    kind, found, path, parts = "transaction", leaf, proof["path"], 4
    if "reserve" in proof:
        total, root = climb([leaf["amount"], hashed("holding", leaf)], path)
        kind, found, path, parts = "reserve", proof["reserve"], proof["reserve_path"], 6
        need(found == {"asset": leaf["asset"], "total": total, "root": root}, "not among the holders")
        need(leaf["amount"].isdecimal() and int(total) < 2**128, "a sum is not an unsigned number")
        leaf["supply"] = total
    need(len(proof) == parts and climb(hashed(kind, found), path) == signed[f"{kind}s_root"], "no proof of it")
    return {"block": signed["height"], "block_hash": signed["block_hash"], "chain_id": signed["chain_id"]} | leaf


if __name__ == "__main__":
    sys.tracebacklimit = 0  # what is wrong is one line
    print(json.dumps(verify(Path(sys.argv[1]).read_bytes().rstrip(b"\n"), sys.argv[2]), indent=1))
