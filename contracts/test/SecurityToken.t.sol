// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {IERC1404} from "src/interfaces/IERC1404.sol";
import {ISettlementAsset} from "src/interfaces/ISettlementAsset.sol";
import {Positions} from "src/token/Positions.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Ledger} from "./base/Ledger.sol";

/// @notice The security itself: what it is, who may do what, and what it answers.
contract SecurityTokenTest is Ledger {
    function setUp() public override {
        super.setUp();
        issue(note, alice, 1_000);
    }

    function test_clone_reads_its_arguments() public view {
        assertEq(note.name(), "Treasury 91282CPZ8", "name");
        assertEq(note.symbol(), "91282CPZ8", "symbol");
        assertEq(note.cusip(), "91282CPZ8", "cusip");
        assertEq(note.assetId(), CUSIP, "asset id");
        assertEq(note.termsHash(), TERMS, "terms");
        assertEq(note.maturity(), MATURITY, "maturity");
        assertEq(note.authority(), address(manager), "authority");
        assertEq(address(note.compliance()), address(compliance), "compliance");
        assertEq(note.settlement(), address(settlement), "settlement");
        assertEq(note.decimals(), 6, "decimals");
        assertEq(note.clock(), START, "clock");
        assertEq(note.CLOCK_MODE(), "mode=timestamp", "clock mode");
    }

    function test_interface_ids() public view {
        assertEq(bytes32(type(IERC7943Fungible).interfaceId), bytes32(bytes4(0x3edbb4c4)), "ERC-7943");
        assertTrue(note.supportsInterface(0x3edbb4c4), "answers for ERC-7943");
        assertTrue(note.supportsInterface(type(IERC1404).interfaceId), "answers for ERC-1404");
        assertTrue(note.supportsInterface(type(IERC165).interfaceId), "answers for ERC-165");
        assertFalse(note.supportsInterface(0xffffffff), "answers for the invalid id");
    }

    function test_implementation_is_inert() public {
        assertEq(implementation.authority(), address(0), "authority");
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, issuer));
        vm.prank(issuer);
        implementation.issue(alice, 1);
    }

    function test_authority_is_fixed() public {
        vm.prank(address(manager));
        vm.expectRevert(SecurityToken.AuthorityIsFixed.selector);
        note.setAuthority(address(this));
    }

    function test_every_restricted_function_refuses_everyone_else() public {
        bytes32[] memory none = new bytes32[](0);
        bytes[] memory calls = new bytes[](5);
        calls[0] = abi.encodeCall(note.issue, (alice, 1));
        calls[1] = abi.encodeCall(note.redeem, (alice, 1));
        calls[2] = abi.encodeCall(note.setFrozenTokens, (alice, 1));
        calls[3] = abi.encodeCall(note.forcedTransfer, (alice, bob, 1));
        calls[4] = abi.encodeCall(note.forcedTransferEndingHolds, (alice, bob, 1, none));
        address[] memory allowed = new address[](5);
        (allowed[0], allowed[1], allowed[2]) = (issuer, issuer, freezer);
        (allowed[3], allowed[4]) = (enforcer, enforcer);
        address[7] memory callers = [alice, issuer, freezer, enforcer, address(settlement), address(this), registrar];
        for (uint256 i = 0; i < calls.length; ++i) {
            for (uint256 k = 0; k < callers.length; ++k) {
                vm.prank(callers[k]);
                (bool success, bytes memory data) = address(note).call(calls[i]);
                assertTrue(success == (callers[k] == allowed[i]), "only the role's holder");
                if (success) continue;
                assertEq(
                    data,
                    abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, callers[k]),
                    "reason"
                );
            }
        }
    }

    function test_settlement_transfer_is_for_settlement_only() public {
        address[4] memory callers = [alice, issuer, enforcer, address(this)];
        for (uint256 k = 0; k < callers.length; ++k) {
            vm.expectRevert(abi.encodeWithSelector(ISettlementAsset.NotSettlement.selector, callers[k]));
            vm.prank(callers[k]);
            note.settlementTransfer(alice, bob, 1);
        }
        vm.prank(address(settlement));
        note.settlementTransfer(alice, bob, 1);
        assertEq(note.balanceOf(bob), 1, "moved");
    }

    function test_settlement_transfer_obeys_compliance() public {
        setClaim("bob", 0);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, bob));
        vm.prank(address(settlement));
        note.settlementTransfer(alice, bob, 1);
    }

    function test_issue_needs_a_verified_recipient() public {
        setClaim("bob", START - 1);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, bob));
        issue(note, bob, 1);
        setClaim("bob", START); // inclusive
        issue(note, bob, 1);
        assertEq(note.balanceOf(bob), 1, "issued");
    }

    function test_redeem_takes_available_units_even_when_the_claim_lapsed() public {
        freeze(note, alice, 300);
        createHold(alice, "h", carol, bob, 200);
        setClaim("alice", 0);
        vm.prank(issuer);
        note.redeem(alice, 500);
        assertEq(note.balanceOf(alice), 500, "frozen and held stay");
        vm.expectRevert(
            abi.encodeWithSelector(IERC7943Fungible.ERC7943InsufficientUnfrozenBalance.selector, alice, 1, 0)
        );
        vm.prank(issuer);
        note.redeem(alice, 1);
    }

    function test_all_of_a_balance_is_there_and_not_free() public {
        freeze(note, alice, 1);
        vm.expectRevert(_unfrozen(alice, 1_000, 999));
        vm.prank(issuer);
        note.redeem(alice, 1_000);
        vm.expectRevert(_shortOf(alice, 1_000, 1_001));
        vm.prank(issuer);
        note.redeem(alice, 1_001);
    }

    function test_supply_is_capped_at_what_a_slot_holds() public {
        uint256 cap = type(uint88).max;
        issue(note, bob, cap - 1_000);
        vm.expectRevert(abi.encodeWithSelector(Positions.SupplyCapExceeded.selector, cap, cap + 1));
        issue(note, bob, 1);
        vm.expectRevert(abi.encodeWithSelector(Positions.SupplyCapExceeded.selector, cap, type(uint256).max));
        issue(note, bob, type(uint256).max);
        vm.prank(bob);
        note.transfer(alice, cap - 1_000);
        assertEq(note.balanceOf(alice), cap, "one account can hold it all");
    }

    function test_each_code_and_the_error_that_goes_with_it() public {
        _refused(alice, stranger, 1, RestrictionCodes.RECIPIENT_UNKNOWN, _cannotReceive(stranger));
        _refused(stranger, alice, 1, RestrictionCodes.SENDER_UNKNOWN, _cannotSend(stranger));
        _refused(alice, bob, 1_001, RestrictionCodes.BALANCE, _shortOf(alice, 1_000, 1_001));
        createHold(alice, "h", carol, bob, 200);
        _refused(alice, bob, 801, RestrictionCodes.HELD, _unfrozen(alice, 801, 800));
        freeze(note, alice, 300);
        _refused(alice, bob, 501, RestrictionCodes.FROZEN, _unfrozen(alice, 501, 500));
        _refused(alice, bob, 801, RestrictionCodes.HELD, _unfrozen(alice, 801, 500));
        setTradeLimit(400);
        _refused(
            alice,
            bob,
            401,
            RestrictionCodes.TRADE_LIMIT,
            abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotTransfer.selector, alice, bob, 401)
        );
        setClaim("bob", START - 1);
        _refused(alice, bob, 1, RestrictionCodes.RECIPIENT_CLAIM, _cannotReceive(bob));
        setClaim("alice", START - 1);
        _refused(alice, bob, 1, RestrictionCodes.SENDER_CLAIM, _cannotSend(alice));
    }

    /// @notice The supply is kept where the zero address's balance would be, and is not taken for one.
    function test_the_zero_address_never_held_anything() public {
        vm.warp(START + 1);
        assertEq(note.totalSupplyAt(uint48(START)), note.totalSupply(), "supply");
        assertTrue(note.totalSupply() != 0, "something was issued");
        assertEq(note.balanceOfAt(address(0), uint48(START)), 0, "nobody's");
        assertEq(note.balanceOf(address(0)), 0, "nor now: what stands there is the supply");
    }

    function test_largest_transfer_names_the_rule_that_binds() public {
        _largest(alice, bob, 1_000, RestrictionCodes.BALANCE);
        createHold(alice, "h", carol, bob, 200);
        _largest(alice, bob, 800, RestrictionCodes.HELD);
        freeze(note, alice, 300);
        _largest(alice, bob, 500, RestrictionCodes.FROZEN);
        setTradeLimit(400);
        _largest(alice, bob, 400, RestrictionCodes.TRADE_LIMIT);
        setTradeLimit(0);
        _largest(alice, bob, 0, RestrictionCodes.TRADE_LIMIT);
        setClaim("bob", 0);
        _largest(alice, bob, 0, RestrictionCodes.RECIPIENT_CLAIM);
        _largest(alice, stranger, 0, RestrictionCodes.RECIPIENT_UNKNOWN);
    }

    function test_each_code_has_a_sentence() public view {
        for (uint8 code = 0; code <= RestrictionCodes.RULE; ++code) {
            assertTrue(bytes(note.messageForTransferRestriction(code)).length != 0, "sentence");
            assertEq(note.messageForTransferRestriction(code), compliance.messageFor(code), "same sentence");
        }
        assertEq(note.messageForTransferRestriction(RestrictionCodes.RULE + 1), "", "no such code");
    }

    function test_can_send_and_receive_is_to_be_verified() public {
        assertTrue(note.canSend(alice) && note.canReceive(alice) && note.canTransact(alice), "alice may");
        assertFalse(note.canSend(stranger) || note.canReceive(stranger), "stranger may");
        assertFalse(note.canSend(address(0)) || note.canReceive(address(0)), "nobody may");
        setClaim("alice", 0);
        assertFalse(note.canSend(alice) || note.canReceive(alice), "alice may without a claim");
    }

    function test_transfer_from_needs_an_allowance_and_obeys_compliance() public {
        vm.prank(alice);
        note.approve(carol, 100);
        vm.prank(carol);
        note.transferFrom(alice, bob, 60);
        assertEq(note.allowance(alice, carol), 40, "allowance left");
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, stranger));
        vm.prank(carol);
        note.transferFrom(alice, stranger, 1);
    }

    /// @notice A permit signed for the domain that `eip712Domain()` gives works on a clone; one signed with name() does not.
    function test_permit_on_a_clone() public {
        (, string memory name, string memory version, uint256 chain, address verifier, , ) = note.eip712Domain();
        assertEq(name, "tbill_defi SecurityToken", "domain name");
        assertTrue(bytes(name).length <= 31, "short domain name");
        assertEq(verifier, address(note), "the clone, not the implementation");
        bytes32 domain = _domain(name, version, chain, verifier);
        assertEq(note.DOMAIN_SEPARATOR(), domain, "separator");
        _permit(domain, true);
        _permit(_domain(note.name(), version, chain, verifier), false);
        _permit(_domain(name, version, chain, address(implementation)), false);
        _permit(_domain(name, version, chain + 1, verifier), false);
    }

    function test_forced_transfer_emits_frozen_before_transfer() public {
        freeze(note, alice, 900);
        vm.expectEmit(address(note));
        emit IERC7943Fungible.Frozen(alice, 600);
        vm.expectEmit(address(note));
        emit IERC7943Fungible.ForcedTransfer(alice, bob, 400);
        vm.prank(enforcer);
        assertTrue(note.forcedTransfer(alice, bob, 400), "result");
        assertEq(note.getFrozenTokens(alice), 600, "300 of the 400 were frozen");
    }

    function test_forced_transfer_goes_to_verified_wallets_only() public {
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, stranger));
        vm.prank(enforcer);
        note.forcedTransfer(alice, stranger, 1);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidSender.selector, address(0)));
        vm.prank(enforcer);
        note.forcedTransfer(address(0), alice, 1);
    }

    function test_forced_transfer_needs_no_claim_of_the_sender_and_no_limit() public {
        setClaim("alice", 0);
        setTradeLimit(1);
        vm.prank(enforcer);
        note.forcedTransfer(alice, bob, 1_000);
        assertEq(note.balanceOf(bob), 1_000, "moved");
    }

    function test_freezing_everything_ahead_of_time() public {
        freeze(note, alice, type(uint256).max);
        assertEq(note.availableOf(alice), 0, "nothing available");
        issue(note, alice, 5);
        assertEq(note.availableOf(alice), 0, "nothing available later either");
        freeze(note, alice, 0);
        assertEq(note.availableOf(alice), 1_005, "all again");
    }

    function _permit(bytes32 domain, bool accepted) private {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                alice,
                bob,
                uint256(77),
                note.nonces(alice),
                uint256(START)
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        if (!accepted) vm.expectRevert();
        note.permit(alice, bob, 77, START, v, r, s);
        assertEq(note.allowance(alice, bob), 77, "allowance");
    }

    function _domain(
        string memory name,
        string memory version,
        uint256 chain,
        address verifier
    ) private pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256(bytes(name)),
                    keccak256(bytes(version)),
                    chain,
                    verifier
                )
            );
    }

    function _refused(address from, address to, uint256 amount, uint8 code, bytes memory reason) private {
        assertEq(note.detectTransferRestriction(from, to, amount), code, "code");
        assertFalse(note.canTransfer(from, to, amount), "can transfer");
        vm.prank(from);
        vm.expectRevert(reason);
        note.transfer(to, amount);
    }

    function _largest(address from, address to, uint256 expected, uint8 expectedCode) private view {
        (uint256 largest, uint8 code) = note.largestTransfer(from, to);
        assertEq(largest, expected, "largest");
        assertEq(code, expectedCode, "binding code");
    }

    function _cannotSend(address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotSend.selector, account);
    }

    function _cannotReceive(address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, account);
    }

    function _unfrozen(address account, uint256 amount, uint256 free) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IERC7943Fungible.ERC7943InsufficientUnfrozenBalance.selector,
                account,
                amount,
                free
            );
    }

    function _shortOf(address account, uint256 balance, uint256 amount) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, account, balance, amount);
    }
}
