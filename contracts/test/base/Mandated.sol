// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Mandate} from "src/mandate/Mandate.sol";
import {ManagedAccount} from "src/mandate/ManagedAccount.sol";
import {MandateGuard} from "src/mandate/MandateGuard.sol";
import {Quote} from "src/oracle/Round.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Desk} from "./Desk.sol";
import {Pricers} from "./Pricers.sol";

/// @notice A fund of 400,000 short notes, 400,000 long ones and 200,000 dollars, all priced at par: duration 2. Bob
/// deals with it.
abstract contract Mandated is Desk, Pricers {
    bytes32 internal constant LONG = CUSIP;
    bytes32 internal constant SHORT = "91282CQE4";
    uint64 internal constant DELAY = 1 days;

    uint256 internal managerKey = 0x3A4A6E2;
    address internal owner = address(0x0E00);
    address internal manager_;
    ManagedAccount internal account;
    MandateGuard internal guard;
    SecurityToken internal short;
    uint256 internal nonce;

    function setUp() public virtual override {
        super.setUp();
        _deployOracle(manager);
        manager_ = vm.addr(managerKey);
        short = createSecurity(SHORT);
        guard = new MandateGuard(settlement, assets, oracle, address(usd));
        account = new ManagedAccount(address(settlement), owner, manager_, address(guard), DELAY);
        enrol("fund", address(account));
        issue(note, address(account), 400_000);
        issue(short, address(account), 400_000);
        issueCash(usd, address(account), 200_000);
        issue(note, bob, 10_000_000);
        issue(short, bob, 10_000_000);
        publishPar();
        vm.prank(owner);
        guard.setMandate(address(account), mandate());
        recognise();
    }

    function mandate() internal pure returns (Mandate memory) {
        return
            Mandate({
                durationMinE6: 1_500_000,
                durationMaxE6: 2_500_000,
                issueCapBp: 6_000,
                turnoverBp: 2_000,
                window: 1 days,
                slippageBp: 10
            });
    }

    function publishPar() internal {
        Quote[] memory quotes = new Quote[](2);
        (quotes[0], quotes[1]) = (billOf(LONG, 100_000_000, 4_000_000), billOf(SHORT, 100_000_000, 1_000_000));
        publish(quotes);
    }

    function recognise() internal {
        address[] memory tokens = new address[](3);
        (tokens[0], tokens[1], tokens[2]) = (address(note), address(short), address(usd));
        vm.prank(manager_);
        guard.recognise(address(account), tokens);
    }

    /// @dev The fund sells (negative) or buys (positive) short and long notes with Bob for cash.
    function trade(int256 longs, int256 shorts, uint256 cash, bool pays) internal view returns (Leg[] memory legs) {
        uint256 count = (longs == 0 ? 0 : 1) + (shorts == 0 ? 0 : 1) + (cash == 0 ? 0 : 1);
        legs = new Leg[](count);
        uint256 i;
        if (longs != 0) legs[i++] = _leg(address(note), longs);
        if (shorts != 0) legs[i++] = _leg(address(short), shorts);
        if (cash != 0) legs[i++] = _leg(address(usd), pays ? -int256(cash) : int256(cash));
    }

    function _leg(address token, int256 amount) private view returns (Leg memory) {
        return
            amount > 0
                ? Leg(token, bob, address(account), uint256(amount))
                : Leg(token, address(account), bob, uint256(-amount));
    }

    /// @dev The legs as a plan, or without one.
    function instructionOf(Leg[] memory legs, bool planned) internal returns (Instruction memory made) {
        made = Instruction(legs, uint64(block.timestamp), uint64(block.timestamp) + 60, ++nonce, 0, 0);
        if (planned) {
            made.contextHash = keccak256(abi.encode(nonce));
            made.planHash = planHash(made.contextHash, legs);
        }
    }

    function settleFor(Instruction memory made, uint256 key) internal {
        bytes32 hash = digest(made);
        bool fundGives;
        bool bobGives;
        for (uint256 i = 0; i < made.legs.length; ++i) {
            if (made.legs[i].from == address(account)) fundGives = true;
            else bobGives = true;
        }
        bytes[] memory signatures;
        if (fundGives && bobGives) {
            signatures = withBob(address(account), key, hash);
        } else {
            signatures = new bytes[](1);
            signatures[0] = signature(fundGives ? key : bobKey, hash);
        }
        settlement.settle(made, signatures);
    }

    function deal(Leg[] memory legs) internal {
        settleFor(instructionOf(legs, true), managerKey);
    }

    function breach(
        MandateGuard.Rule rule,
        bytes32 subject,
        uint256 value,
        uint256 lower,
        uint256 upper
    ) internal view returns (bytes memory) {
        return
            abi.encodeWithSelector(
                MandateGuard.MandateBreach.selector,
                address(account),
                rule,
                subject,
                value,
                lower,
                upper
            );
    }

    function assertUntouched() internal view {
        assertEq(note.balanceOf(address(account)), 400_000, "long notes");
        assertEq(short.balanceOf(address(account)), 400_000, "short notes");
        assertEq(usd.balanceOf(address(account)), 200_000, "dollars");
    }
}
