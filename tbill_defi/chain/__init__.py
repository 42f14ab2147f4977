"""The embedded ledger: a durable journal of signed transactions over an in-process EVM.

Import from the modules (`chain.embedded`, `chain.keys`, `chain.transactions`, `chain.evidence`): nothing heavy is
loaded by importing the package.
"""
