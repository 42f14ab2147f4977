// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IPriceOracle} from "src/interfaces/IPriceOracle.sol";
import {Accrual} from "src/oracle/Accrual.sol";
import {PriceOracle} from "src/oracle/PriceOracle.sol";
import {RoleManager} from "src/RoleManager.sol";
import {Quote, Round} from "src/oracle/Round.sol";
import {Pricers} from "./base/Pricers.sol";

/// @notice What rounds pass, what they leave, and what every misuse meets.
contract PriceOracleTest is Pricers {
    bytes32 private constant NOTE = "91282CPZ8";
    bytes32 private constant BILL = "912797SX6";

    function setUp() public {
        vm.warp(TODAY + 16 hours);
        _deployOracle(new RoleManager(address(this)));
    }

    function test_publishes_and_accrues() public {
        Quote[] memory quotes = new Quote[](2);
        (quotes[0], quotes[1]) = (billOf(BILL, 98_500_000, 400_000), quoteOf(NOTE, 99_250_000, 2_500_000));
        publish(quotes);
        (uint256 dirty, uint64 observedAt) = oracle.dirtyPrice(NOTE);
        assertEq(dirty, 99_250_000 + 1_000_000, "half of a coupon of 2");
        assertEq(observedAt, TODAY + 16 hours, "observed");
        (dirty, ) = oracle.dirtyPrice(BILL);
        assertEq(dirty, 98_500_000, "a bill accrues nothing");
        IPriceOracle.Price memory price = oracle.price(NOTE);
        assertEq(price.accruedE6, 1_000_000, "accrued");
        assertEq(price.maturity, TODAY + 1000 days, "maturity");
        assertEq(price.rating, 2, "rating");
        assertEq(price.marketDate, TODAY, "market date");
        assertEq(uint64(price.yieldE9), 41_000_000, "yield");
        bytes32[] memory cusips = new bytes32[](2);
        (cusips[0], cusips[1]) = (NOTE, BILL);
        IPriceOracle.Measure[] memory found = oracle.measures(cusips);
        assertEq(found[0].dirtyE6, 100_250_000, "measured note");
        assertEq(found[1].durationE6, 400_000, "measured bill");
        assertEq(uint64(found[0].yieldE9), 41_000_000, "measured yield");
        assertEq(found[0].maturity, TODAY + 1000 days, "measured maturity");
        assertEq(found[0].rating, 2, "measured rating");
        assertEq(found[0].observedAt, TODAY + 16 hours, "measured at");
    }

    function test_a_round_is_bound_to_chain_contract_and_content() public {
        Round memory round = roundOf(_one(quoteOf(NOTE, 99_000_000, 2_500_000)));
        assertEq(oracle.hashRound(round), roundDigest(round), "digest");
        bytes32[3] memory hashes = [
            roundDigestFor(round, block.chainid + 1, address(oracle)),
            roundDigestFor(round, block.chainid, address(this)),
            bytes32(0)
        ];
        round.id = 9;
        hashes[2] = roundDigest(round);
        round.id = 1;
        for (uint256 i = 0; i < hashes.length; ++i) {
            bytes[] memory signatures = new bytes[](2);
            for (uint256 j = 0; j < 2; ++j) signatures[j] = _sign(pricerKeys[j], hashes[i]);
            vm.expectPartialRevert(PriceOracle.NotAPricer.selector); // whoever it is, by such a digest
            oracle.publish(round, signatures);
        }
    }

    /// @dev The other root of a signature, its compact form, one of no length: nobody signs twice with them.
    function test_signatures_in_another_shape() public {
        Round memory round = roundOf(_one(quoteOf(NOTE, 99_000_000, 2_500_000)));
        bytes[] memory signatures = signaturesOf(round, 2);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(pricerKeys[0], roundDigest(round));
        signatures[1] = bent(v, r, s);
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, ORDER - uint256(s)));
        oracle.publish(round, signatures);
        signatures[1] = compact(v, r, s);
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 64));
        oracle.publish(round, signatures);
        signatures[1] = "";
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 0));
        oracle.publish(round, signatures);
    }

    /// @dev Two signatures for one price are none for another: CUSIP, price, duration and schedule are all signed.
    function test_no_word_of_a_quote_can_be_changed() public {
        Round memory round = roundOf(_one(quoteOf(NOTE, 99_000_000, 2_500_000)));
        bytes[] memory signatures = signaturesOf(round, 2);
        for (uint256 i = 0; i < 11; ++i) {
            Quote memory quote = quoteOf(NOTE, 99_000_000, 2_500_000);
            if (i == 0) quote.cusip = BILL;
            if (i == 1) quote.cleanE6 += 1;
            if (i == 2) quote.yieldE9 += 1;
            if (i == 3) quote.durationE6 = 0;
            if (i == 4) quote.maturity += 1 days;
            if (i == 5) quote.rating = 1;
            if (i == 6) quote.couponE9 += 1;
            if (i == 7) quote.accrualStart += 1;
            if (i == 8) (quote.accrualStart, quote.priorCoupon) = (quote.accrualStart - 9, quote.accrualStart - 90 days);
            if (i == 9) quote.previousCoupon -= 1;
            if (i == 10) quote.nextCoupon += 1;
            round.quotes[0] = quote;
            vm.expectPartialRevert(PriceOracle.NotAPricer.selector);
            oracle.publish(round, signatures);
        }
    }

    function test_a_round_again() public {
        Round memory round = roundOf(_one(quoteOf(NOTE, 99_000_000, 2_500_000)));
        bytes[] memory signatures = signaturesOf(round, 2);
        oracle.publish(round, signatures);
        vm.warp(block.timestamp + 1 hours);
        vm.expectRevert(abi.encodeWithSelector(PriceOracle.RoundNotNewer.selector, 1, 1));
        oracle.publish(round, signatures);
        round.id = 1 << 40; // ids have 40 bits
        _refused(round, abi.encodeWithSelector(PriceOracle.RoundNotNewer.selector, round.id, 1));
    }

    function test_quorum_and_signers() public {
        Round memory round = roundOf(_one(quoteOf(NOTE, 99_000_000, 2_500_000)));
        bytes[] memory one = signaturesOf(round, 1);
        vm.expectRevert(abi.encodeWithSelector(PriceOracle.QuorumMissing.selector, 1, 2));
        oracle.publish(round, one);
        bytes[] memory twice = new bytes[](2);
        (twice[0], twice[1]) = (one[0], one[0]);
        vm.expectRevert(abi.encodeWithSelector(PriceOracle.SignersNotSorted.selector, 1));
        oracle.publish(round, twice);
        twice[0] = _sign(0xBAD, roundDigest(round));
        vm.expectRevert(abi.encodeWithSelector(PriceOracle.NotAPricer.selector, vm.addr(0xBAD)));
        oracle.publish(round, twice);
    }

    function test_rounds_only_go_forward() public {
        Quote[] memory quotes = _one(quoteOf(NOTE, 99_000_000, 2_500_000));
        publish(quotes);
        vm.warp(block.timestamp + 1 hours);
        Round memory round = roundOf(quotes);
        round.id = 1;
        _refused(round, abi.encodeWithSelector(PriceOracle.RoundNotNewer.selector, 1, 1));
        round = roundOf(quotes);
        round.marketDate = TODAY - 1 days;
        _refused(round, abi.encodeWithSelector(PriceOracle.MarketDateWentBack.selector, TODAY - 1 days, TODAY));
        round = roundOf(quotes);
        round.observedAt = TODAY + 16 hours - 1;
        _refused(
            round,
            abi.encodeWithSelector(PriceOracle.ObservationWentBack.selector, round.observedAt, TODAY + 16 hours)
        );
        round.observedAt = uint64(block.timestamp + 1);
        _refused(round, abi.encodeWithSelector(PriceOracle.ObservedInFuture.selector, round.observedAt));
        round = roundOf(quotes);
        round.marketDate = TODAY + 1 days;
        _refused(
            round,
            abi.encodeWithSelector(PriceOracle.ObservedBeforeMarketDate.selector, round.observedAt, TODAY + 1 days)
        );
        round = roundOf(quotes);
        Round memory last = roundOf(quotes);
        (last.id, last.observedAt) = (3, last.observedAt + 1);
        vm.warp(block.timestamp + 4 days + 1);
        _refused(round, abi.encodeWithSelector(PriceOracle.RoundTooOld.selector, round.observedAt, 4 days));
        publish(last, 2); // in its last second
    }

    function test_interval_is_per_security() public {
        publish(quoteOf(NOTE, 99_000_000, 2_500_000));
        vm.warp(block.timestamp + 59);
        publish(billOf(BILL, 98_000_000, 400_000));
        _refused(
            roundOf(_one(quoteOf(NOTE, 99_000_001, 2_500_000))),
            abi.encodeWithSelector(PriceOracle.TooSoon.selector, NOTE, TODAY + 16 hours + 60)
        );
        vm.warp(block.timestamp + 1);
        publish(quoteOf(NOTE, 99_000_001, 2_500_000));
    }

    function test_a_jump_needs_the_higher_quorum() public {
        publish(quoteOf(NOTE, 100_000_000, 2_500_000));
        vm.warp(block.timestamp + 60);
        Round memory up = roundOf(_one(quoteOf(NOTE, 103_000_001, 2_500_000)));
        bytes memory reason = abi.encodeWithSelector(
            PriceOracle.PriceMoveTooLarge.selector,
            NOTE,
            100_000_000,
            103_000_001,
            300,
            3
        );
        _refused(up, reason);
        publish(up, 3);
        vm.warp(block.timestamp + 60);
        publish(quoteOf(NOTE, 103_000_001 - 3_090_000, 2_500_000));
        vm.warp(block.timestamp + 60);
        publish(quoteOf(NOTE, 100_000_000, 2_500_000));
        vm.warp(block.timestamp + 60);
        publish(quoteOf(NOTE, 103_000_000, 2_500_000)); // exactly the bound
        vm.warp(block.timestamp + 60);
        Quote memory dearer = quoteOf(NOTE, 103_000_000, 2_500_000);
        dearer.couponE9 += 1;
        _refused(roundOf(_one(dearer)), abi.encodeWithSelector(PriceOracle.TermsChanged.selector, NOTE, 3));
        Quote memory other = quoteOf(NOTE, 100_000_000, 2_500_000);
        other.maturity += 1 days;
        _refused(roundOf(_one(other)), abi.encodeWithSelector(PriceOracle.TermsChanged.selector, NOTE, 3));
        publish(roundOf(_one(other)), 3);
    }

    function testFuzz_a_move_within_the_bound_passes_and_one_more_does_not(uint64 seed, bool up) public {
        uint64 last = uint64(between(seed, 1_000_000, 200_000_000));
        publish(quoteOf(NOTE, last, 2_500_000));
        vm.warp(block.timestamp + 60);
        uint64 most = last * 300 / 10_000;
        uint64 next = up ? last + most + 1 : last - most - 1;
        _refused(
            roundOf(_one(quoteOf(NOTE, next, 2_500_000))),
            abi.encodeWithSelector(PriceOracle.PriceMoveTooLarge.selector, NOTE, last, next, 300, 3)
        );
        publish(quoteOf(NOTE, up ? last + most : last - most, 2_500_000));
    }

    function test_missing_and_stale() public {
        vm.expectRevert(abi.encodeWithSelector(IPriceOracle.PriceMissing.selector, NOTE));
        oracle.dirtyPrice(NOTE);
        publish(quoteOf(NOTE, 99_000_000, 2_500_000));
        uint64 observedAt = uint64(block.timestamp);
        vm.warp(observedAt + 4 days);
        oracle.dirtyPrice(NOTE);
        vm.warp(observedAt + 4 days + 1);
        bytes memory stale = abi.encodeWithSelector(IPriceOracle.StalePrice.selector, NOTE, observedAt, 4 days);
        vm.expectRevert(stale);
        oracle.dirtyPrice(NOTE);
        vm.expectRevert(stale);
        oracle.price(NOTE);
        vm.expectRevert(stale);
        oracle.accruedInterest(NOTE, TODAY);
        bytes32[] memory cusips = new bytes32[](1);
        cusips[0] = NOTE;
        vm.expectRevert(stale);
        oracle.measures(cusips);
        assertEq(oracle.lastPrice(NOTE).cleanE6, 99_000_000, "the last price can be looked at");
    }

    function test_quotes_must_make_sense() public {
        Quote[] memory none = new Quote[](0);
        _refused(roundOf(none), abi.encodeWithSelector(PriceOracle.EmptyRound.selector));
        _refused(roundOf(new Quote[](65)), abi.encodeWithSelector(PriceOracle.TooManyQuotes.selector, 65, 64));
        Quote[] memory twice = new Quote[](2);
        (twice[0], twice[1]) = (quoteOf(NOTE, 99_000_000, 1), quoteOf(NOTE, 98_000_000, 1));
        _refused(roundOf(twice), abi.encodeWithSelector(PriceOracle.QuotesNotSorted.selector, 1));
        Quote[8] memory bad;
        for (uint256 i = 0; i < 8; ++i) bad[i] = quoteOf(NOTE, 99_000_000, 1);
        bad[0].cleanE6 = 0;
        bad[1].maturity = TODAY;
        bad[2].previousCoupon = TODAY + 1 days;
        bad[3].nextCoupon = TODAY;
        bad[4].accrualStart = TODAY + 1 days;
        bad[5].priorCoupon = TODAY - 200 days;
        bad[6].couponE9 = 10 ** 9;
        bad[7].couponE9 = 0;
        for (uint256 i = 0; i < 8; ++i) {
            _refused(roundOf(_one(bad[i])), abi.encodeWithSelector(PriceOracle.InvalidQuote.selector, NOTE));
        }
        for (uint256 i = 0; i < 4; ++i) bad[i] = i < 2 ? billOf(NOTE, 99_000_000, 1) : quoteOf(NOTE, 99_000_000, 1);
        bad[0].maturity = TODAY;
        bad[1].maturity = 1 << 40;
        bad[2].maturity = TODAY + 91 days; // the coupon after it
        (bad[3].accrualStart, bad[3].priorCoupon) = (TODAY - 102 days, TODAY - 101 days);
        for (uint256 i = 0; i < 4; ++i) {
            _refused(roundOf(_one(bad[i])), abi.encodeWithSelector(PriceOracle.InvalidQuote.selector, NOTE));
        }
    }

    function test_accrual() public {
        Quote memory quote = quoteOf(NOTE, 99_000_000, 2_500_000);
        publish(quote);
        assertEq(oracle.accruedInterest(NOTE, TODAY - 92 days), 0, "nothing on a coupon date");
        assertEq(oracle.accruedInterest(NOTE, TODAY - 91 days), 10_870, "2 x 1/184, half up");
        assertEq(oracle.accruedInterest(NOTE, TODAY - 91 days + 1 hours), 10_870, "a clock change is no day");
        assertEq(oracle.accruedInterest(NOTE, TODAY - 91 days - 1 hours), 10_870, "nor takes one");
        bytes memory outside = abi.encodeWithSelector(
            Accrual.SettlementOutsidePeriod.selector,
            TODAY + 92 days,
            TODAY - 92 days,
            TODAY + 92 days
        );
        vm.expectRevert(outside);
        oracle.accruedInterest(NOTE, TODAY + 92 days);
        outside = abi.encodeWithSelector(
            Accrual.SettlementOutsidePeriod.selector,
            TODAY - 93 days,
            TODAY - 92 days,
            TODAY + 92 days
        );
        vm.expectRevert(outside);
        oracle.accruedInterest(NOTE, TODAY - 93 days);
        // a short first period accrues from the dated date, over the days of its quasi-coupon period
        vm.warp(block.timestamp + 60);
        quote.accrualStart = TODAY - 10 days;
        publish(quote);
        assertEq(oracle.accruedInterest(NOTE, TODAY), 108_696, "2 x 10/184");
        // a long one adds the earlier part over its own days
        vm.warp(block.timestamp + 60);
        quote.accrualStart = TODAY - 110 days;
        quote.priorCoupon = TODAY - 92 days - 181 days;
        publish(quote);
        assertEq(oracle.accruedInterest(NOTE, TODAY), 1_198_895, "2 x (18/181 + 92/184)");
    }

    function test_authority() public {
        address[] memory pricers = new address[](1);
        pricers[0] = address(1);
        bytes memory unauthorised = abi.encodeWithSelector(
            IAccessManaged.AccessManagedUnauthorized.selector,
            address(this)
        );
        vm.expectRevert(unauthorised);
        oracle.setPricers(pricers, 1, 1);
        vm.expectRevert(unauthorised);
        oracle.setRules(1, 1, 1);
        _refusedPricers(pricers, 1, 2, abi.encodeWithSelector(PriceOracle.InvalidRules.selector, 1, 2, 1));
        _refusedPricers(pricers, 0, 1, abi.encodeWithSelector(PriceOracle.InvalidRules.selector, 0, 1, 1));
        address[] memory three = new address[](3);
        (three[0], three[1], three[2]) = (address(1), address(3), address(2));
        _refusedPricers(three, 2, 1, abi.encodeWithSelector(PriceOracle.InvalidRules.selector, 2, 1, 3));
        _refusedPricers(three, 1, 2, abi.encodeWithSelector(PriceOracle.InvalidPricer.selector, address(2)));
        three[2] = address(3);
        _refusedPricers(three, 1, 2, abi.encodeWithSelector(PriceOracle.InvalidPricer.selector, address(3)));
        three[0] = address(0);
        _refusedPricers(three, 1, 2, abi.encodeWithSelector(PriceOracle.InvalidPricer.selector, address(0)));
        address[] memory many = new address[](17);
        for (uint160 i = 0; i < 17; ++i) many[i] = address(i + 1);
        _refusedPricers(many, 1, 2, abi.encodeWithSelector(PriceOracle.InvalidRules.selector, 1, 2, 17));
        vm.prank(curator);
        oracle.setPricers(pricers, 1, 1);
        assertTrue(oracle.isPricer(address(1)), "the new one");
        assertFalse(oracle.isPricer(vm.addr(pricerKeys[0])), "an old one");
        Round memory round = roundOf(_one(quoteOf(NOTE, 99_000_000, 2_500_000)));
        _refused(round, abi.encodeWithSelector(PriceOracle.NotAPricer.selector, vm.addr(pricerKeys[0])));
    }

    function _refusedPricers(address[] memory pricers, uint8 quorum, uint8 confirm, bytes memory reason) private {
        vm.prank(curator);
        vm.expectRevert(reason);
        oracle.setPricers(pricers, quorum, confirm);
    }

    function _refused(Round memory round, bytes memory reason) private {
        bytes[] memory signatures = signaturesOf(round, 2);
        vm.expectRevert(reason);
        oracle.publish(round, signatures);
    }
}
