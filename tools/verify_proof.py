"""python verify_proof.py PROOF.json OPERATOR_KEY: what a proof of `tbill audit prove` shows, or an error.

OPERATOR_KEY is the operator's public key as hex, known from elsewhere; or one he had before, from which the
hand-overs in the proof lead to his. Needs coincurve, and nothing of tbill_defi.
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
    need(len(given) == 65 and given.hex() == value["signature"], "signature")
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
    need(canonical(proof) == data, "not written canonically")
    leaf, signed = proof["leaf"], proof["checkpoint"]
    for one in proof["handovers"]:
        if one["operator"] == operator:
            here = all(one[name] == signed[name] for name in ("chain_id", "genesis_hash"))
            need(here and signer("handover", one) == operator, "a hand-over that its operator did not sign")
            operator = one["successor"]
    need(signer("checkpoint", signed) == signed["operator"] == operator, "not signed by the operator")
    shown = {"block": signed["height"], "block_hash": signed["block_hash"], "chain_id": signed["chain_id"]} | leaf
    if "reserve" not in proof:
        need(climb(hashed("transaction", leaf), proof["path"]) == signed["transactions_root"], "no transaction of it")
        return shown
    total, root = climb([leaf["amount"], hashed("holding", leaf)], proof["path"])
    reserve = {"asset": leaf["asset"], "total": total, "root": root}
    need(reserve == proof["reserve"] and leaf["amount"].isdecimal() and int(total) < 2**128, "not among the holders")
    need(climb(hashed("reserve", reserve), proof["reserve_path"]) == signed["reserves_root"], "no reserve of it")
    return shown | {"supply": total}


if __name__ == "__main__":
    print(json.dumps(verify(Path(sys.argv[1]).read_bytes().rstrip(b"\n"), sys.argv[2]), indent=1))
