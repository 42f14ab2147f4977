// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Mandate} from "src/mandate/Mandate.sol";
import {ManagedAccount} from "src/mandate/ManagedAccount.sol";
import {MandateGuard} from "src/mandate/MandateGuard.sol";
import {Quote} from "src/oracle/Round.sol";
import {Mandated} from "./base/Mandated.sol";

/// @notice Manager, owner, dealer, enforcer and strangers do what they can, in any order; it keeps the account's books,
/// its mandate and its turnover by itself, and judges each plan that passed by its own arithmetic.
contract MandateHandler is Mandated {
    uint64 private constant LAPSE = 7 days;

    struct Turn {
        uint256 at;
        uint256 units;
    }

    uint256 public passed;
    uint256 public outside;
    uint256 public intruders;
    uint256 public early;

    Mandate private _inForce;
    Mandate private _announced;
    uint64 private _from;
    uint256[2] public books;
    uint256 public cashBook;
    uint256[2] public prices;
    Turn[] private _turns;
    bool private _ready;
    bool private _isSettling;

    constructor() {
        setUp();
    }

    /// @dev Once: the fuzzer may call it too.
    function setUp() public override {
        if (_ready) return;
        _ready = true;
        super.setUp();
        issueCash(usd, bob, 10_000_000);
        _inForce = mandate();
        books = [uint256(400_000), 400_000];
        cashBook = 200_000;
        prices = [uint256(100_000_000), 100_000_000];
    }

    // --- the manager's plans --------------------------------------------------------------------------------------

    /// @dev At about the fair price, by the manager or someone else, with a plan or without.
    function plan(int64 longs, int64 shorts, int16 edge, uint8 who, bool planned) external {
        int256[2] memory amounts = [int256(longs) % 200_000, int256(shorts) % 200_000];
        int256 net = (amounts[0] * int256(prices[0]) + amounts[1] * int256(prices[1])) / 1e8;
        int256 cash = net + (net * (int256(edge) % 25)) / 10_000;
        if (amounts[0] == 0 && amounts[1] == 0 && cash == 0) return;
        bool pays = cash > 0;
        Instruction memory made = instructionOf(
            trade(amounts[0], amounts[1], uint256(pays ? cash : -cash), pays),
            planned || who % 4 != 0
        );
        bool gives = amounts[0] < 0 || amounts[1] < 0 || pays;
        bool stranger_ = who % 5 == 1;
        _isSettling = true;
        try this.settleOutside(made, stranger_ ? carolKey : managerKey) {
            _isSettling = false;
            if (!gives) return;
            if (stranger_ || made.planHash == 0) ++intruders;
            _enter(amounts, cash);
        } catch {
            _isSettling = false;
        }
    }

    /// @dev For itself; the fuzzer gets nothing from it, not even under this contract's own address.
    function settleOutside(Instruction calldata made, uint256 key) external {
        if (!_isSettling) return;
        settleFor(made, key);
    }

    // --- what else happens to the account -------------------------------------------------------------------------

    function gift(bool short_, uint256 amount) external {
        vm.prank(bob);
        (short_ ? short : note).transfer(address(account), between(amount, 0, 100_000));
    }

    function force(bool short_, uint256 amount) external {
        amount = between(amount, 0, 30_000);
        if ((short_ ? short : note).balanceOf(address(account)) < amount) return;
        vm.prank(enforcer);
        (short_ ? short : note).forcedTransfer(address(account), bob, amount);
    }

    function spend(uint256 amount) external {
        amount = between(amount, 0, 20_000);
        if (usd.balanceOf(address(account)) < amount) return;
        vm.prank(cashIssuer);
        usd.redeem(address(account), amount);
    }

    function recogniseBy(uint8 who) external {
        address caller = [manager_, owner, bob, stranger][who % 4];
        address[] memory tokens = new address[](3);
        (tokens[0], tokens[1], tokens[2]) = (address(note), address(short), address(usd));
        vm.prank(caller);
        try guard.recognise(address(account), tokens) {
            if (who % 4 > 1) ++intruders;
            books = [note.balanceOf(address(account)), short.balanceOf(address(account))];
            cashBook = usd.balanceOf(address(account));
        } catch {}
    }

    function syncOne(uint8 which) external {
        vm.prank(stranger);
        guard.sync(address(account), which % 3 == 0 ? address(note) : which % 3 == 1 ? address(short) : address(usd));
        _lower(which % 3);
    }

    function reprice(int16 longs, int16 shorts) external {
        vm.warp(block.timestamp + 60);
        prices[0] = _moved(prices[0], longs);
        prices[1] = _moved(prices[1], shorts);
        Quote[] memory quotes = new Quote[](2);
        quotes[0] = billOf(LONG, uint64(prices[0]), 4_000_000);
        quotes[1] = billOf(SHORT, uint64(prices[1]), 1_000_000);
        publish(quotes);
    }

    function pass(uint32 seconds_) external {
        vm.warp(block.timestamp + between(seconds_, 0, 8 hours));
    }

    // --- the mandate ----------------------------------------------------------------------------------------------

    /// @dev One limit is set tighter or looser, by the owner or someone else.
    function limit(uint8 which, uint256 seed, uint8 who) external {
        Mandate memory next = _inForce;
        if (which % 6 == 0) next.durationMinE6 = uint32(between(seed, 1_000_000, 1_900_000));
        if (which % 6 == 1) next.durationMaxE6 = uint32(between(seed, 2_100_000, 3_500_000));
        if (which % 6 == 2) next.issueCapBp = uint16(between(seed, 4_500, 9_000));
        if (which % 6 == 3) next.turnoverBp = uint32(between(seed, 500, 8_000));
        if (which % 6 == 4) next.window = uint32(between(seed, 6 hours, 3 days));
        if (which % 6 == 5) next.slippageBp = uint16(between(seed, 0, 30));
        vm.prank(_someone(who));
        try guard.setMandate(address(account), next) {
            if (who % 3 != 0) ++intruders;
            if (_allowsMore(next)) (_announced, _from) = (next, uint64(block.timestamp) + DELAY);
            else (_inForce, _from) = (next, 0);
        } catch {}
    }

    function applyBy(uint8 who, bool waits) external {
        if (waits && _from > block.timestamp) vm.warp(_from);
        vm.prank(_someone(who));
        try guard.applyMandate(address(account)) {
            if (who % 3 != 0) ++intruders;
            if (_from == 0 || block.timestamp < _from || block.timestamp > _from + LAPSE) ++early;
            (_inForce, _from) = (_announced, 0);
        } catch {}
    }

    /// @dev Another guard at once: nobody can, the owner no more than others.
    function replaceGuard(uint8 who) external {
        address caller = _someone(who);
        vm.prank(caller);
        try account.announceGuard(address(new MandateGuard(settlement, assets, oracle, address(usd)))) {
            if (who % 3 != 0) ++intruders;
        } catch {}
        vm.prank(caller);
        try account.setGuard() {
            ++early;
        } catch {}
        if (who % 3 != 0) return;
        vm.prank(owner);
        account.announceGuard(address(0));
    }

    // --- what it is compared with ---------------------------------------------------------------------------------

    function mandates() external view returns (bytes32 told, bytes32 mine) {
        (Mandate memory inForce, , uint64 from) = guard.mandateOf(address(account));
        return (keccak256(abi.encode(inForce, from)), keccak256(abi.encode(_inForce, _from)));
    }

    function toldBooks() external view returns (uint256[2] memory units, uint256 cash) {
        (address[] memory tokens, uint256[] memory found, uint256 dollars) = guard.holdings(address(account));
        for (uint256 i = 0; i < tokens.length; ++i) units[tokens[i] == address(note) ? 0 : 1] = found[i];
        cash = dollars;
    }

    function guardInPlace() external view returns (bool) {
        return account.guard() == address(guard);
    }

    // --- inside ---------------------------------------------------------------------------------------------------

    /// @dev Enters a plan that passed, and judges what it left behind.
    function _enter(int256[2] memory amounts, int256 cash) private {
        ++passed;
        uint256[2] memory worth;
        uint256 traded;
        int256 loss = cash;
        for (uint256 i = 0; i < 2; ++i) {
            books[i] = uint256(int256(books[i]) + amounts[i]);
            _lower(uint8(i));
            worth[i] = (books[i] * prices[i]) / 1e8;
            uint256 moved = (uint256(amounts[i] < 0 ? -amounts[i] : amounts[i]) * prices[i]) / 1e8;
            traded += moved;
            loss -= amounts[i] < 0 ? -int256(moved) : int256(moved);
        }
        cashBook = uint256(int256(cashBook) - cash);
        _lower(2);
        _turns.push(Turn(block.timestamp, traded / 2));
        uint256 value = worth[0] + worth[1] + cashBook;
        uint256 weighted = (worth[0] * 4 + worth[1]) * 1e6;
        uint256 turned;
        for (uint256 i = 0; i < _turns.length; ++i) {
            if (_turns[i].at + _inForce.window > block.timestamp) turned += _turns[i].units;
        }
        bool inside = weighted >= value * _inForce.durationMinE6 &&
            weighted <= value * _inForce.durationMaxE6 &&
            worth[0] * 10_000 <= value * _inForce.issueCapBp &&
            worth[1] * 10_000 <= value * _inForce.issueCapBp &&
            turned * 10_000 <= value * _inForce.turnoverBp &&
            (loss <= 0 || uint256(loss) * 10_000 <= traded * _inForce.slippageBp);
        if (!inside) ++outside;
    }

    function _lower(uint8 which) private {
        if (which == 2) {
            uint256 has = usd.balanceOf(address(account));
            if (has < cashBook) cashBook = has;
            return;
        }
        uint256 units = (which == 0 ? note : short).balanceOf(address(account));
        if (units < books[which]) books[which] = units;
    }

    /// @dev Written from what a mandate means, not from the library.
    function _allowsMore(Mandate memory next) private view returns (bool) {
        bool band = next.durationMinE6 < _inForce.durationMinE6 || next.durationMaxE6 > _inForce.durationMaxE6;
        bool shares = next.issueCapBp > _inForce.issueCapBp || next.turnoverBp > _inForce.turnoverBp;
        return band || shares || next.window < _inForce.window || next.slippageBp > _inForce.slippageBp;
    }

    function _moved(uint256 price, int16 by) private pure returns (uint256) {
        int256 next = int256(price) + int256(by) * 30;
        return next < 95_000_000 ? 95_000_000 : next > 105_000_000 ? 105_000_000 : uint256(next);
    }

    function _someone(uint8 who) private view returns (address) {
        return who % 3 == 0 ? owner : who % 3 == 1 ? manager_ : stranger;
    }
}

/// @notice No plan passes the guard outside the limits; only the owner loosens them, and only after the delay.
contract MandateInvariantTest is Mandated {
    MandateHandler private _handler;

    function setUp() public override {
        vm.warp(START);
        _handler = new MandateHandler();
        targetContract(address(_handler));
    }

    function invariant_I12_what_passed_is_inside() public view {
        assertEq(_handler.outside(), 0, "I12: a plan passed outside the mandate");
        assertEq(_handler.intruders(), 0, "someone else did");
    }

    function invariant_the_mandate_is_the_owners_after_the_delay() public view {
        (bytes32 told, bytes32 mine) = _handler.mandates();
        assertEq(told, mine, "in force and announced");
        assertEq(_handler.early(), 0, "before the delay");
        assertTrue(_handler.guardInPlace(), "the guard");
    }

    function invariant_the_books_are_what_plans_and_recognition_made_them() public view {
        (uint256[2] memory units, uint256 cash) = _handler.toldBooks();
        assertEq(units[0], _handler.books(0), "long");
        assertEq(units[1], _handler.books(1), "short");
        assertEq(cash, _handler.cashBook(), "cash");
    }
}
