// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {IPriceOracle} from "src/interfaces/IPriceOracle.sol";
import {EarlyRedemption} from "src/life/EarlyRedemption.sol";
import {RogueRule} from "./doubles/RogueRule.sol";
import {QueueDesk} from "./EarlyRedemption.t.sol";

/// @notice A request is final from its cut-off on, at which its price begins to be known, and yet nobody is kept: attacks
/// with an option on a known price, of holders and of the payer, and the ways out.
contract QueueFinalityTest is QueueDesk {
    bytes32 private constant CUSIP_ = "912797ZZ1";
    uint64 private constant FIRST = START + 1;
    uint64 private constant NEXT = FIRST + 1 days;

    function _leave(address holder, bytes32 id) private {
        vm.prank(holder);
        queue.cancel(id);
    }

    function _cannotLeave(address holder, bytes32 id, uint64 until) private {
        bytes memory reason = abi.encodeWithSelector(EarlyRedemption.RequestFinal.selector, id, until);
        _reverts(holder, address(queue), abi.encodeCall(queue.cancel, (id)), reason);
    }

    function _waits(address holder) private view returns (uint256) {
        return queue.heldFor(bytes32(uint256(uint160(holder))), security);
    }

    // --- the option ---------------------------------------------------------------------------------------------

    function test_queue_griefing_by_an_option_on_a_known_price() public {
        bytes32 early = ask(alice, 100e6);
        bytes32 id = ask(alice, 200e6);
        _leave(alice, early);
        assertEq(security.balanceOf(alice), 4_800e6, "a second before the cut-off he leaves at once");
        vm.warp(FIRST);
        oracle.observe(CUSIP_, FIRST);
        vm.expectEmit(address(queue));
        emit EarlyRedemption.EarlyRedemptionRevoked(id, alice, NEXT);
        _leave(alice, id);
        _cannotLeave(alice, id, NEXT);
        vm.warp(NEXT - 1);
        _cannotLeave(alice, id, NEXT);
        vm.prank(stranger);
        assertEq(queue.strike(security, 20), 200e6, "he is paid the price that he knew and did not like");
        assertEq(usd.balanceOf(alice), 198e6, "of the first cut-off");
    }

    /// @notice The price of the next cut-off is not for who left before it: a strike gives back, to the second.
    function test_who_has_left_is_not_struck_at_a_later_price() public {
        bytes32 id = ask(alice, 200e6);
        ask(bob, 100e6);
        vm.warp(FIRST);
        _leave(alice, id);
        vm.warp(NEXT);
        vm.expectEmit(address(queue));
        emit EarlyRedemption.EarlyRedemptionEnded(id, alice, 200e6);
        assertEq(queue.strike(security, 20), 100e6, "who is behind him is paid");
        assertEq(security.balanceOf(alice), 5_000e6, "all of it is back");
        assertEq(usd.balanceOf(alice), 0, "unpaid");
    }

    function test_what_has_left_is_given_back_at_anyones_call() public {
        bytes32 id = ask(alice, 200e6);
        vm.warp(FIRST);
        bytes memory reason = abi.encodeWithSelector(EarlyRedemption.NotRequestHolder.selector, id, alice);
        _reverts(stranger, address(queue), abi.encodeCall(queue.cancel, (id)), reason);
        _leave(alice, id);
        vm.warp(NEXT - 1);
        _reverts(stranger, address(queue), abi.encodeCall(queue.cancel, (id)), reason);
        vm.warp(NEXT);
        vm.prank(stranger);
        queue.cancel(id);
        assertEq(security.balanceOf(alice), 5_000e6, "to her");
        assertEq(queue.openRequests(security, alice), 0, "over");
    }

    /// @notice What the day has no room for is priced at the next cut-off, and never at the price that is known now.
    function test_the_rest_of_a_day_has_no_known_price() public {
        ask(bob, DAILY);
        bytes32 id = ask(alice, 500e6);
        vm.warp(FIRST);
        oracle.observe(CUSIP_, FIRST);
        assertEq(queue.strike(security, 20), DAILY, "the day");
        vm.warp(NEXT);
        assertEq(queue.strike(security, 20), 0, "yesterday's price");
        oracle.observe(CUSIP_, NEXT);
        oracle.set(CUSIP_, 90e6);
        _leave(alice, id);
        assertEq(queue.strike(security, 20), 500e6, "today's, which she knew when she left");
        assertEq(usd.balanceOf(alice), 450e6, "at 90");
    }

    /// @notice A request that is sent when the price is known does not get it, whoever strikes first.
    function test_a_strike_front_run_by_a_request() public {
        ask(bob, 100e6);
        vm.warp(FIRST);
        bytes32 id = ask(alice, 100e6);
        assertEq(queue.strike(security, 20), 100e6, "bob's alone");
        vm.warp(NEXT - 1);
        assertEq(queue.strike(security, 20), 0, "nor later in the day");
        _leave(alice, id);
        assertEq(security.balanceOf(alice), 5_000e6, "for she is not final yet");
    }

    function test_a_strike_twice_pays_once() public {
        ask(alice, 100e6);
        vm.warp(FIRST);
        assertEq(queue.strike(security, 20), 100e6, "once");
        assertEq(queue.strike(security, 20), 0, "and no more");
        assertEq(usd.balanceOf(alice), 99e6, "paid once");
        assertEq(security.totalSupply(), 14_900e6, "destroyed once");
    }

    /// @notice Final if and only if a cut-off lies between the request and the wish to leave; back by the next at last.
    function testFuzz_a_request_is_final_from_its_cut_off(uint32 made, uint32 later) public {
        uint64 asked = START + uint64(between(made, 0, 20 days));
        uint64 wished = asked + uint64(between(later, 0, 20 days));
        vm.warp(asked);
        bytes32 id = ask(alice, 100e6);
        vm.warp(wished);
        _leave(alice, id);
        uint256 cutOffs = (wished + 1 days - FIRST) / 1 days - (asked + 1 days - FIRST) / 1 days;
        assertEq(security.balanceOf(alice), cutOffs == 0 ? 5_000e6 : 4_900e6, "at once, if none");
        if (cutOffs == 0) return;
        uint64 leavesAt = queue.requestOf(id).leavesAt;
        assertTrue(leavesAt > wished && leavesAt <= wished + 1 days, "the next one");
        assertEq((leavesAt - FIRST) % 1 days, 0, "a cut-off");
        vm.warp(leavesAt);
        queue.cancel(id);
        assertEq(security.balanceOf(alice), 5_000e6, "back");
    }

    // --- nobody is kept -----------------------------------------------------------------------------------------

    function test_a_dead_oracle_keeps_nobody() public {
        bytes32 id = ask(alice, 100e6);
        oracle.set(CUSIP_, 0);
        vm.warp(FIRST + 3 days);
        bytes memory reason = abi.encodeWithSelector(IPriceOracle.PriceMissing.selector, CUSIP_);
        _reverts(stranger, address(queue), abi.encodeCall(queue.strike, (security, 1)), reason);
        _leave(alice, id);
        vm.warp(FIRST + 4 days);
        _leave(alice, id);
        assertEq(security.balanceOf(alice), 5_000e6, "a day later at the latest");
    }

    function test_a_payer_without_cash_keeps_nobody() public {
        vm.prank(treasury);
        queue.withdrawFunds(security, 100_000e6);
        bytes32 id = ask(alice, 100e6);
        vm.warp(FIRST);
        assertEq(queue.strike(security, 1), 0, "no cash");
        _leave(alice, id);
        vm.warp(NEXT);
        _leave(alice, id);
        assertEq(security.balanceOf(alice), 5_000e6, "back");
    }

    /// @notice Who is far behind in a full queue leaves as soon as who is in front.
    function test_a_full_queue_keeps_nobody() public {
        ask(bob, 5_000e6);
        bytes32 id = ask(alice, 100e6);
        vm.warp(FIRST);
        queue.strike(security, 20);
        _leave(alice, id);
        vm.warp(NEXT);
        _leave(alice, id);
        assertEq(security.balanceOf(alice), 5_000e6, "back");
    }

    /// @notice In a stop nothing is delivered: the units wait in his name from the cut-off on, and are not struck.
    function test_an_emergency_stop_keeps_nobody_in_the_queue() public {
        bytes32 id = ask(alice, 100e6);
        vm.warp(FIRST);
        vm.prank(guardian);
        compliance.stop();
        _leave(alice, id);
        vm.warp(NEXT);
        queue.cancel(id);
        assertEq(_waits(alice), 100e6, "in her name");
        vm.prank(guardian);
        compliance.resume();
        queue.collect(alice, security);
        assertEq(security.balanceOf(alice), 5_000e6, "back");
    }

    function test_a_window_that_closes_lets_everyone_go() public {
        bytes32 id = ask(alice, 100e6);
        vm.warp(FIRST);
        EarlyRedemption.Terms memory terms =
            EarlyRedemption.Terms(START, FIRST, treasury, MINIMUM, DAILY, 0, 1);
        vm.prank(issuer);
        queue.setWindow(security, terms);
        _leave(alice, id);
        assertEq(security.balanceOf(alice), 5_000e6, "at once");
    }

    function test_a_pause_or_a_default_lets_everyone_go() public {
        bytes32 first = ask(alice, 100e6);
        bytes32 second = ask(alice, 100e6);
        vm.warp(FIRST);
        vm.prank(freezer);
        assets.setPaused(address(security), true);
        _leave(alice, first);
        assertEq(_waits(alice), 100e6, "at once");
        vm.prank(freezer);
        assets.setPaused(address(security), false);
        vm.prank(issuer);
        issuance.declareDefault(address(security), "evidence");
        _leave(alice, second);
        assertEq(security.balanceOf(alice), 4_900e6, "at once");
    }

    // --- the issuer's side --------------------------------------------------------------------------------------

    /// @notice Attack: who asked at the oracle's price is struck at one that the issuer names when he can no longer leave.
    function test_nobody_is_struck_by_other_terms_than_his() public {
        bytes32 first = ask(alice, 100e6);
        bytes32 second = ask(bob, 100e6);
        vm.warp(FIRST);
        setTerms(1e6);
        bytes32 under = ask(carol, 100e6);
        uint256 bobs = usd.balanceOf(bob);
        vm.prank(stranger);
        queue.cancel(first);
        assertEq(security.balanceOf(alice), 5_000e6, "given back at anyone's call");
        vm.expectEmit(address(queue));
        emit EarlyRedemption.EarlyRedemptionEnded(second, bob, 100e6);
        assertEq(queue.strike(security, 20), 0, "or by a strike, which pays nobody");
        assertEq(security.balanceOf(bob), 5_000e6, "his");
        vm.warp(NEXT);
        assertEq(queue.strike(security, 20), 100e6, "who asked under the new terms is struck");
        assertEq(faceOf(under), 0, "carol");
        assertEq(usd.balanceOf(bob), bobs, "nobody else was paid");
    }

    /// @notice Attack: the issuer moves the cut-off, so that a request is final before the hour that its holder was told,
    /// and at a price that is known.
    function test_nobody_is_final_before_his_cut_off() public {
        vm.warp(START + 6 hours);
        bytes32 id = ask(alice, 100e6);
        vm.warp(START + 8 hours);
        EarlyRedemption.Terms memory terms =
            EarlyRedemption.Terms(START, START + 50 days, treasury, MINIMUM, DAILY, 0, 7 hours);
        vm.prank(issuer);
        queue.setWindow(security, terms);
        assertEq(queue.strike(security, 20), 0, "not struck");
        assertEq(faceOf(id), 0, "given back");
        assertEq(security.balanceOf(alice), 5_000e6, "hers");
    }

    /// @notice What was asked today at another price is given back today.
    function test_a_strike_gives_other_terms_back_on_their_own_day() public {
        vm.warp(START + 6 hours);
        bytes32 id = ask(alice, 100e6);
        setTerms(1e6);
        assertEq(queue.strike(security, 20), 0, "not struck");
        assertEq(faceOf(id), 0, "over");
        assertEq(security.balanceOf(alice), 5_000e6, "hers");
    }

    function test_other_limits_leave_requests_as_they_are() public {
        bytes32 id = ask(alice, 100e6);
        EarlyRedemption.Terms memory terms =
            EarlyRedemption.Terms(START, START + 40 days, treasury, 1_000e6, 2 * DAILY, 0, 1);
        vm.prank(issuer);
        queue.setWindow(security, terms);
        vm.warp(FIRST);
        assertEq(queue.strike(security, 20), 100e6, "struck");
        assertEq(faceOf(id), 0, "over");
    }

    /// @notice Attack: the payer, who knows the price, takes the cash away until a lower one comes.
    function test_the_payer_has_no_option_either() public {
        bytes32 id = ask(alice, DAILY + 500e6);
        _takes();
        vm.warp(FIRST);
        _waitsFor(id);
        queue.strike(security, 20);
        _takes(); // nobody more is struck today
        vm.warp(NEXT);
        _waitsFor(id);
        vm.prank(freezer);
        assets.setPaused(address(security), true);
        _takes(); // nobody is struck at all
    }

    /// @notice While nobody can be struck the payer has his cash: before the cut-off, in a default, once the window has
    /// closed or begins anew later, and once the security has ended.
    function test_cash_that_nobody_waits_for_today_is_the_payers() public {
        vm.warp(FIRST);
        bytes32 id = ask(alice, 100e6);
        _takes();
        vm.warp(NEXT);
        _waitsFor(id);
        vm.prank(issuer);
        issuance.declareDefault(address(security), "evidence");
        _takes();
        vm.prank(issuer);
        issuance.cureDefault(address(security), "cured");
        _waitsFor(id);
        vm.warp(START + 50 days - 1);
        _waitsFor(id);
        vm.warp(START + 50 days);
        _takes();
        EarlyRedemption.Terms memory terms =
            EarlyRedemption.Terms(START, MATURES + 9 days, treasury, MINIMUM, DAILY, 0, 1);
        vm.prank(issuer);
        queue.setWindow(security, terms);
        _waitsFor(id);
        vm.warp(MATURES - 1);
        _waitsFor(id);
        vm.warp(MATURES);
        _takes();
        (terms.opensAt, terms.closesAt) = (MATURES + 8 days, MATURES + 9 days);
        vm.prank(issuer);
        queue.setWindow(security, terms);
        _takes();
    }

    /// @notice A window that opens anew has what was asked in the one before in front, until anyone gives it back.
    function test_what_an_earlier_window_left_comes_first() public {
        bytes32 id = ask(alice, 100e6);
        vm.warp(FIRST);
        EarlyRedemption.Terms memory terms =
            EarlyRedemption.Terms(START + 10 days, START + 50 days, treasury, MINIMUM, DAILY, 0, 1);
        vm.prank(issuer);
        queue.setWindow(security, terms);
        _takes();
        vm.warp(START + 10 days - 1);
        _takes();
        vm.warp(START + 10 days);
        _waitsFor(id);
        vm.prank(stranger);
        queue.cancel(id);
        assertEq(security.balanceOf(alice), 5_000e6, "back");
        _takes();
    }

    /// @notice A day's limit that was used up on another day keeps nobody's cash free today.
    function test_a_limit_used_up_yesterday_frees_no_cash_today() public {
        bytes32 id = ask(alice, 2 * DAILY);
        vm.warp(FIRST);
        assertEq(queue.strike(security, 1), DAILY, "used up");
        _takes();
        vm.warp(NEXT);
        _waitsFor(id);
    }

    function _takes() private {
        vm.expectEmit(address(queue));
        emit EarlyRedemption.FundsWithdrawn(address(security), treasury, 1);
        vm.prank(treasury);
        queue.withdrawFunds(security, 1);
    }

    function _waitsFor(bytes32 id) private {
        bytes memory reason = abi.encodeWithSelector(EarlyRedemption.RequestsWait.selector, address(security), id);
        _reverts(treasury, address(queue), abi.encodeCall(queue.withdrawFunds, (security, 1)), reason);
    }

    /// @notice Another opening, cut-off or price is another series; each by itself gives back what was asked before.
    function test_each_change_of_a_series() public {
        for (uint256 i = 0; i < 3; ++i) {
            setTerms(0);
            bytes32 id = ask(alice, 100e6);
            EarlyRedemption.Terms memory terms =
                EarlyRedemption.Terms(START, START + 50 days, treasury, MINIMUM, DAILY, 0, 1);
            if (i == 0) terms.opensAt -= 1 days;
            if (i == 1) terms.cutOff = 0;
            if (i == 2) terms.priceE6 = 99e6;
            vm.prank(issuer);
            queue.setWindow(security, terms);
            vm.prank(stranger);
            queue.cancel(id);
            assertEq(security.balanceOf(alice), 5_000e6, "back, at anyone's call");
        }
    }

    /// @notice What has left and stands in front hides nobody behind it from the payer.
    function test_a_front_that_has_left_frees_no_cash() public {
        bytes32 id = ask(bob, MINIMUM);
        ask(alice, 100e6);
        vm.warp(FIRST);
        vm.prank(treasury);
        queue.fund(security, 1);
        _leave(bob, id);
        vm.warp(NEXT);
        _waitsFor(id);
        queue.strike(security, 20);
        _takes();
        assertEq(usd.balanceOf(alice), 99e6, "she was paid first");
    }

    /// @notice A rest of the day that no unit fits into keeps no cash.
    function test_a_day_without_room_for_a_lot_keeps_no_cash() public {
        vm.prank(issuer);
        assets.setDenomination(address(security), 300e6);
        ask(alice, 1_200e6);
        vm.warp(FIRST);
        assertEq(queue.strike(security, 20), 900e6, "three lots");
        vm.prank(treasury);
        queue.withdrawFunds(security, 1);
    }

    // --- who asks -----------------------------------------------------------------------------------------------

    /// @notice Alice allowed the queue all her units: nobody else's request takes them, or counts as hers.
    function test_nobody_asks_in_anothers_name() public {
        address poor = address(0x900B);
        enrol("poor", poor);
        vm.prank(poor);
        security.approve(address(queue), type(uint256).max);
        bytes memory reason =
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, poor, 0, 100e6);
        _reverts(poor, address(queue), abi.encodeCall(queue.request, (security, 100e6)), reason);
        assertEq(queue.openRequests(security, alice), 0, "none of hers");
        assertEq(security.balanceOf(alice), 5_000e6, "nothing of hers");
    }

    function test_a_sanctioned_holder_or_a_frozen_unit_is_not_asked_for() public {
        setSanctioned("alice", true);
        bytes memory reason = abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotSend.selector, alice);
        _reverts(alice, address(queue), abi.encodeCall(queue.request, (security, 100e6)), reason);
        setSanctioned("alice", false);
        freeze(security, alice, 4_950e6);
        reason = abi.encodeWithSelector(
            IERC7943Fungible.ERC7943InsufficientUnfrozenBalance.selector, alice, 100e6, 50e6
        );
        _reverts(alice, address(queue), abi.encodeCall(queue.request, (security, 100e6)), reason);
    }

    /// @notice Twenty wallets that ask and leave cost the next in the queue one strike, which pays nobody of them.
    function test_queue_griefing_by_many_who_leave() public {
        bytes32[] memory ids = new bytes32[](20);
        address[] memory wallets = new address[](20);
        for (uint160 i = 0; i < 20; ++i) {
            wallets[i] = address(0xD000 + i);
            enrol(bytes32(uint256(0xD000 + i)), wallets[i]);
            issue(security, wallets[i], MINIMUM);
            vm.prank(wallets[i]);
            security.approve(address(queue), MINIMUM);
            ids[i] = ask(wallets[i], MINIMUM);
        }
        ask(alice, 500e6);
        vm.warp(FIRST);
        for (uint256 i = 0; i < 20; ++i) _leave(wallets[i], ids[i]);
        vm.warp(NEXT);
        assertEq(queue.strike(security, 20), 0, "one strike clears them away");
        assertEq(queue.strike(security, 1), 500e6, "hers, on the same day");
        for (uint256 i = 0; i < 20; ++i) assertEq(security.balanceOf(wallets[i]), MINIMUM, "theirs again");
    }

    /// @notice Attack: a rule that is told of units given back gives others back meanwhile.
    function test_a_rule_that_calls_back_gives_nothing_else_back() public {
        bytes32 first = ask(alice, 100e6);
        bytes32 second = ask(bob, 100e6);
        vm.warp(FIRST);
        _leave(alice, first);
        _leave(bob, second);
        vm.warp(NEXT);
        RogueRule rogue = new RogueRule();
        vm.prank(limiter);
        assets.setTokenRules(address(security), one(address(rogue)));
        rogue.callBack(address(queue), abi.encodeCall(queue.cancel, (second)));
        queue.cancel(first);
        assertEq(security.balanceOf(alice), 5_000e6, "hers");
        assertFalse(rogue.succeeded(), "entered again");
        assertEq(faceOf(second), 100e6, "as before");
        rogue.act(RogueRule.Way.Allow, RogueRule.Way.Allow);
        queue.cancel(second);
        assertEq(security.balanceOf(bob), 5_000e6, "his");
    }

    /// @notice A lost wallet's key does not leave for its successor, who does.
    function test_a_successor_leaves_for_a_lost_wallet() public {
        address successor = address(0xA11CE2);
        bytes32 id = ask(alice, 100e6);
        vm.prank(registrar);
        identities.announceRecovery(alice, successor);
        vm.warp(block.timestamp + identities.RECOVERY_DELAY());
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
        vm.warp(NEXT);
        bytes memory reason = abi.encodeWithSelector(EarlyRedemption.NotRequestHolder.selector, id, successor);
        _reverts(alice, address(queue), abi.encodeCall(queue.cancel, (id)), reason);
        _leave(successor, id);
        vm.warp(NEXT + 1 days);
        queue.cancel(id);
        assertEq(security.balanceOf(successor), 100e6, "his");
    }
}
