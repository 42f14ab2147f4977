// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PriceOracle} from "src/oracle/PriceOracle.sol";
import {Quote, Round} from "src/oracle/Round.sol";
import {RoleManager} from "src/RoleManager.sol";
import {Roles} from "src/Roles.sol";
import {Test} from "./Test.sol";

/// @notice An oracle with three pricers, two of whom sign a round; digests are built by a second route.
abstract contract Pricers is Test {
    /// @dev 2026-05-28 00:00 New York; the tests' clocks start at 2026-05-28 20:26:40 UTC.
    uint64 internal constant TODAY = 1_779_940_800;

    string private constant QUOTE =
        "Quote(bytes32 cusip,uint64 cleanE6,int64 yieldE9,uint32 durationE6,uint64 maturity,uint8 rating,uint64 couponE9,"
        "uint64 accrualStart,uint64 priorCoupon,uint64 previousCoupon,uint64 nextCoupon)";
    string private constant ROUND = "Round(uint64 id,uint64 marketDate,uint64 observedAt,Quote[] quotes)";

    address internal curator = address(0xA8);
    uint256[3] internal pricerKeys = [uint256(0x91), 0x92, 0x93];
    PriceOracle internal oracle;
    uint64 internal lastRound;

    function _deployOracle(RoleManager manager) internal {
        oracle = new PriceOracle(address(manager));
        manager.grantRole(Roles.ORACLE, curator, 0);
        bytes4[] memory selectors = new bytes4[](2);
        (selectors[0], selectors[1]) = (PriceOracle.setPricers.selector, PriceOracle.setRules.selector);
        manager.setTargetFunctionRole(address(oracle), selectors, Roles.ORACLE);
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = 0; j + 1 < 3; ++j) {
                if (vm.addr(pricerKeys[j]) > vm.addr(pricerKeys[j + 1])) {
                    (pricerKeys[j], pricerKeys[j + 1]) = (pricerKeys[j + 1], pricerKeys[j]);
                }
            }
        }
        address[] memory pricers = new address[](3);
        for (uint256 i = 0; i < 3; ++i) pricers[i] = vm.addr(pricerKeys[i]);
        vm.prank(curator);
        oracle.setPricers(pricers, 2, 3);
    }

    /// @dev A coupon security, half of whose coupon period has passed: 92 of 184 days.
    function quoteOf(bytes32 cusip, uint64 cleanE6, uint32 durationE6) internal pure returns (Quote memory) {
        return
            Quote({
                cusip: cusip,
                cleanE6: cleanE6,
                yieldE9: 41_000_000,
                durationE6: durationE6,
                maturity: TODAY + 1000 days,
                rating: 2,
                couponE9: 40_000_000,
                accrualStart: TODAY - 92 days,
                priorCoupon: 0,
                previousCoupon: TODAY - 92 days,
                nextCoupon: TODAY + 92 days
            });
    }

    /// @dev A bill accrues nothing: clean is dirty.
    function billOf(bytes32 cusip, uint64 cleanE6, uint32 durationE6) internal pure returns (Quote memory) {
        return Quote(cusip, cleanE6, 40_000_000, durationE6, TODAY + 1000 days, 2, 0, 0, 0, 0, 0);
    }

    function roundOf(Quote[] memory quotes) internal view returns (Round memory) {
        return Round(lastRound + 1, TODAY, uint64(block.timestamp), quotes);
    }

    function publish(Quote[] memory quotes) internal {
        publish(roundOf(quotes), 2);
    }

    function publish(Quote memory quote) internal {
        publish(_one(quote));
    }

    function publish(Round memory round, uint256 signers) internal {
        bytes[] memory signatures = signaturesOf(round, signers);
        oracle.publish(round, signatures);
        lastRound = round.id;
    }

    function signaturesOf(Round memory round, uint256 signers) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](signers);
        for (uint256 i = 0; i < signers; ++i) signatures[i] = _sign(pricerKeys[i], roundDigest(round));
    }

    function roundDigest(Round memory round) internal view returns (bytes32) {
        return roundDigestFor(round, block.chainid, address(oracle));
    }

    function roundDigestFor(Round memory round, uint256 chain, address verifier) internal pure returns (bytes32) {
        bytes memory hashes;
        for (uint256 i = 0; i < round.quotes.length; ++i) {
            hashes = bytes.concat(hashes, keccak256(abi.encode(keccak256(bytes(QUOTE)), round.quotes[i])));
        }
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(bytes(string.concat(ROUND, QUOTE))),
                round.id,
                round.marketDate,
                round.observedAt,
                keccak256(hashes)
            )
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("tbill_defi PriceOracle"),
                keccak256("1"),
                chain,
                verifier
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _one(Quote memory quote) internal pure returns (Quote[] memory quotes) {
        quotes = new Quote[](1);
        quotes[0] = quote;
    }

    function _sign(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }
}
