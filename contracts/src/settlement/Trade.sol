// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A trade agreed now and settled on its date: `face` of `asset` against `proceeds` of `cash`.
/// @param asset What is delivered: a security, or a currency against another.
/// @param proceeds Cash for the whole face.
/// @param opens First second (Unix time) of the settlement date.
/// @param closes Last one: what is open after it has failed, and may still settle.
/// @param deadline Last second at which it can settle at all.
/// @param minimum Least face of a partial settlement; 0 if it settles whole only.
/// @param lot A partial settlement is a multiple of it; 0 if it settles whole only.
/// @param clearer Who may novate it, a ClearingHouse; zero if nobody.
/// @param allocator Which of the two may allocate it to accounts; zero if neither.
/// @param nonce Tells trades of the same terms apart.
struct Trade {
    address seller;
    address buyer;
    address asset;
    address cash;
    uint128 face;
    uint128 proceeds;
    uint64 opens;
    uint64 closes;
    uint64 deadline;
    uint128 minimum;
    uint128 lot;
    address clearer;
    address allocator;
    uint256 nonce;
}

/// @notice Where a trade stands. `Open` is pending until its date has closed, and a fail after it.
enum TradeStatus {
    None,
    Open,
    Settled,
    Cancelled,
    Allocated,
    Novated
}

/// @title TradeHash
/// @notice EIP-712 struct hashes of a trade and of what is agreed about it afterwards.
library TradeHash {
    bytes32 internal constant TRADE_TYPEHASH =
        keccak256(
            "Trade(address seller,address buyer,address asset,address cash,uint128 face,uint128 proceeds,"
            "uint64 opens,uint64 closes,uint64 deadline,uint128 minimum,uint128 lot,address clearer,"
            "address allocator,uint256 nonce)"
        );
    bytes32 internal constant CANCELLATION_TYPEHASH = keccak256("Cancellation(bytes32 tradeId,uint128 settled)");
    bytes32 internal constant ALLOCATION_TYPEHASH =
        keccak256("Allocation(bytes32 tradeId,address[] accounts,uint128[] faces)");
    bytes32 internal constant FILL_TYPEHASH = keccak256("Fill(bytes32 tradeId,uint128 settled)");

    /// @notice hashStruct(trade).
    function ofTrade(Trade memory trade) internal pure returns (bytes32) {
        return keccak256(abi.encode(TRADE_TYPEHASH, trade));
    }

    /// @notice What both sign to end what is open of a trade of which `settled` has settled.
    function ofCancellation(bytes32 id, uint128 settled) internal pure returns (bytes32) {
        return keccak256(abi.encode(CANCELLATION_TYPEHASH, id, settled));
    }

    /// @notice What the manager of a block signs.
    function ofAllocation(
        bytes32 id,
        address[] memory accounts,
        uint128[] memory faces
    ) internal pure returns (bytes32) {
        bytes32 accountsHash = keccak256(abi.encodePacked(accounts));
        return keccak256(abi.encode(ALLOCATION_TYPEHASH, id, accountsHash, keccak256(abi.encodePacked(faces))));
    }

    /// @notice Context, and nonce, of the instruction that settles the next part of a trade.
    function ofFill(bytes32 id, uint128 settled) internal pure returns (bytes32) {
        return keccak256(abi.encode(FILL_TYPEHASH, id, settled));
    }
}
