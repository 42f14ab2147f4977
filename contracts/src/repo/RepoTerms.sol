// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice How collateral covers cash; named in the terms, never inferred.
/// @dev Haircut h: lendable = market value x (1 - h). MarginRatio m: lendable = market value / m.
enum MarginRule {
    Haircut,
    MarginRatio
}

/// @notice What both parties sign, through the contextHash of the opening Instruction.
/// @param lender Gives cash and gets it back with interest (the buyer).
/// @param borrower Gives collateral and gets it back (the seller).
/// @param token The collateral, a SecurityToken.
/// @param face Its amount, units of 10^-6 dollar of face.
/// @param cash Purchase price, units of 10^-6 dollar.
/// @param rateE9 Repo rate, 10^-9, simple, Act/360.
/// @param start New York midnight of the purchase date.
/// @param end New York midnight of the repurchase date.
/// @param marginE9 Haircut in [0, 10^9), or margin ratio in [10^9, 10^10].
/// @param callSeconds Time to meet a margin call.
/// @param nonce Any number, so that the same terms can be agreed on again.
struct RepoTerms {
    address lender;
    address borrower;
    address token;
    uint256 face;
    uint256 cash;
    uint64 rateE9;
    uint64 start;
    uint64 end;
    MarginRule marginRule;
    uint64 marginE9;
    uint32 callSeconds;
    uint256 nonce;
}

/// @title RepoHash
/// @notice Struct hashes (EIP-712) of a repo's terms and of what is done to it later: the contextHash of Instructions.
/// @dev Each later act names the repo and the number of the act, so no two have the same hash.
library RepoHash {
    bytes32 internal constant TERMS_TYPEHASH =
        keccak256(
            "RepoTerms(address lender,address borrower,address token,uint256 face,uint256 cash,uint64 rateE9,"
            "uint64 start,uint64 end,uint8 marginRule,uint64 marginE9,uint32 callSeconds,uint256 nonce)"
        );
    bytes32 internal constant MARGIN_TYPEHASH =
        keccak256("RepoMargin(bytes32 repoId,uint32 act,uint64 asOf)");
    bytes32 internal constant SUBSTITUTION_TYPEHASH =
        keccak256("RepoSubstitution(bytes32 repoId,uint32 act,uint64 asOf,address token,uint256 face)");
    bytes32 internal constant REPURCHASE_TYPEHASH =
        keccak256("RepoRepurchase(bytes32 repoId,uint32 act,uint64 asOf,uint256 principal,uint256 face)");

    function ofTerms(RepoTerms calldata terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(TERMS_TYPEHASH, terms));
    }

    function ofMargin(bytes32 repoId, uint32 act, uint64 asOf) internal pure returns (bytes32) {
        return keccak256(abi.encode(MARGIN_TYPEHASH, repoId, act, asOf));
    }

    function ofSubstitution(
        bytes32 repoId,
        uint32 act,
        uint64 asOf,
        address token,
        uint256 face
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(SUBSTITUTION_TYPEHASH, repoId, act, asOf, token, face));
    }

    function ofRepurchase(
        bytes32 repoId,
        uint32 act,
        uint64 asOf,
        uint256 principal,
        uint256 face
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(REPURCHASE_TYPEHASH, repoId, act, asOf, principal, face));
    }
}
