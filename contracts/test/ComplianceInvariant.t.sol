// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SecurityToken} from "src/SecurityToken.sol";
import {Ledger} from "./base/Ledger.sol";

/// @notice Identities with one, two and two wallets deal in two securities under limits that stay as they are, while
/// wallets come and go; it writes down every move by itself.
contract RulesHandler is Ledger {
    uint40 public constant WINDOW = 1 hours;
    uint256 public constant VOLUME = 1_000;
    uint256 public constant OWN_VOLUME = 400;
    uint256 public constant CAP = 1_400;
    uint256 public constant OWN_CAP = 1_200;

    struct Move {
        uint256 at;
        uint256 amount;
    }

    struct Promise {
        SecurityToken token;
        bytes32 id;
        address from;
        address to;
        uint256 amount;
    }

    SecurityToken public other;
    address[5] public wallets;
    bytes32[3] public names = [bytes32("alice"), "bob", "carol"];
    uint256 public answersThatDiffered;
    uint256 public overCap;
    uint256 public deals;

    mapping(address => bytes32) public ownerOf;
    mapping(bytes32 => Move[]) private _moves;
    Promise[] private _promises;
    uint256 private _holds;

    constructor() {
        setUp();
    }

    /// @dev Once: the fuzzer may call it too.
    function setUp() public override {
        if (address(other) != address(0)) return;
        super.setUp();
        other = createSecurity("91282CQE4");
        wallets = [alice, bob, carol, address(0xB0B2), address(0xCA2)];
        (ownerOf[alice], ownerOf[bob], ownerOf[carol]) = ("alice", "bob", "carol");
        _bind(wallets[3], "bob");
        _bind(wallets[4], "carol");
        for (uint256 i = 0; i < 3; ++i) {
            issue(note, wallets[i], 500);
            issue(other, wallets[i], 500);
        }
        vm.prank(limiter);
        compliance.setVolumeLimit(VOLUME, WINDOW);
        vm.prank(limiter);
        compliance.setHoldingCap(CAP);
        vm.prank(limiter);
        compliance.setOwnLimits("carol", true, OWN_VOLUME, OWN_CAP);
    }

    function deal(uint8 from, uint8 to, bool second, uint256 seed, bool settles) external {
        (SecurityToken token, address giver, address taker) = (_token(second), _wallet(from), _wallet(to));
        uint256 amount = _near(token, giver, taker, seed);
        bool expected = token.canTransfer(giver, taker, amount);
        vm.prank(settles ? address(settlement) : giver);
        (bool done, ) = address(token).call(
            settles
                ? abi.encodeCall(token.settlementTransfer, (giver, taker, amount))
                : abi.encodeCall(token.transfer, (taker, amount))
        );
        if (done != expected) ++answersThatDiffered;
        if (done) _count(giver, taker, amount);
    }

    function reserve(uint8 from, uint8 to, bool second, uint256 seed) external {
        (SecurityToken token, address giver, address taker) = (_token(second), _wallet(from), _wallet(to));
        if (giver == taker) return;
        uint256 amount = _near(token, giver, taker, seed);
        vm.prank(giver);
        try token.createHold(bytes32(++_holds), taker, taker, amount, uint64(block.timestamp) + 2 * WINDOW) returns (
            bytes32 id
        ) {
            _promises.push(Promise(token, id, giver, taker, amount));
        } catch {}
    }

    function keep(uint256 which, uint256 seed, uint8 way) external {
        if (_promises.length == 0) return;
        which %= _promises.length;
        Promise memory made = _promises[which];
        uint256 amount = between(seed, 0, made.amount);
        bool executes = way % 3 == 0;
        vm.prank(made.to);
        (bool done, ) = address(made.token).call(
            executes
                ? abi.encodeCall(made.token.executeHold, (made.id, amount))
                : way % 3 == 1
                    ? abi.encodeCall(made.token.releaseHold, (made.id))
                    : abi.encodeCall(made.token.expireHold, (made.id))
        );
        if (!done) return;
        _promises[which] = _promises[_promises.length - 1];
        _promises.pop();
        if (executes) _count(made.from, made.to, amount);
    }

    /// @dev The second wallets of Bob and Carol are unbound, or bound to anybody again.
    function rebind(bool carols, uint8 name) external {
        address wallet = wallets[carols ? 4 : 3];
        if (ownerOf[wallet] == 0) return _bind(wallet, names[name % 3]);
        vm.prank(registrar);
        identities.removeWallet(wallet);
        ownerOf[wallet] = 0;
    }

    function print(uint8 to, bool second, uint256 amount) external {
        (SecurityToken token, address wallet) = (_token(second), _wallet(to));
        amount = between(amount, 1, 500);
        vm.prank(issuer);
        try token.issue(wallet, amount) {
            _judgeCap(ownerOf[wallet]);
        } catch {}
    }

    function pass(uint32 seconds_) external {
        vm.warp(block.timestamp + between(seconds_, 0, WINDOW));
    }

    // --- what the books say, by another route ---------------------------------------------------------------------

    /// @dev What an identity dealt in (until - WINDOW, until], by this handler's own list.
    function dealt(bytes32 name, uint256 until) public view returns (uint256 sum) {
        Move[] storage moves = _moves[name];
        for (uint256 i = 0; i < moves.length; ++i) {
            if (moves[i].at <= until && moves[i].at + WINDOW > until) sum += moves[i].amount;
        }
    }

    /// @dev The most an identity dealt in any window there ever was: each ends at a move.
    function busiest(bytes32 name) external view returns (uint256 most) {
        Move[] storage moves = _moves[name];
        for (uint256 i = 0; i < moves.length; ++i) {
            uint256 sum = dealt(name, moves[i].at);
            if (sum > most) most = sum;
        }
    }

    function pending(bytes32 name, bool incoming) public view returns (uint256 sum) {
        for (uint256 i = 0; i < _promises.length; ++i) {
            if (ownerOf[incoming ? _promises[i].to : _promises[i].from] == name) sum += _promises[i].amount;
        }
    }

    function held(bytes32 name) public view returns (uint256 sum) {
        for (uint256 i = 0; i < wallets.length; ++i) {
            if (ownerOf[wallets[i]] == name) sum += note.balanceOf(wallets[i]) + other.balanceOf(wallets[i]);
        }
    }

    function told(bytes32 name) external view returns (uint256 used, uint256 has) {
        (, used, , , has, ) = compliance.standing(name);
    }

    function now_() external view returns (uint256) {
        return block.timestamp;
    }

    // --- inside ---------------------------------------------------------------------------------------------------

    function _count(address giver, address taker, uint256 amount) private {
        ++deals;
        (bytes32 from, bytes32 to) = (ownerOf[giver], ownerOf[taker]);
        if (from == to) return;
        if (from != 0) _moves[from].push(Move(block.timestamp, amount));
        if (to != 0) _moves[to].push(Move(block.timestamp, amount));
        if (amount != 0) _judgeCap(to);
    }

    /// @dev Whoever has just received is within his cap; a wallet that was bound to him may have put him over it.
    function _judgeCap(bytes32 name) private {
        uint256 cap = name == "carol" ? OWN_CAP : CAP;
        if (name != 0 && held(name) + pending(name, true) > cap) ++overCap;
    }

    /// @dev Up to a little more than what the rules let through.
    function _near(SecurityToken token, address giver, address taker, uint256 seed) private view returns (uint256) {
        (uint256 largest, ) = token.largestTransfer(giver, taker);
        if (largest > 2_000) largest = 2_000;
        return seed % 4 == 0 ? largest + (seed / 4) % 2 : between(seed, 0, largest);
    }

    function _bind(address wallet, bytes32 name) private {
        vm.prank(registrar);
        identities.registerWallet(wallet, name);
        ownerOf[wallet] = name;
    }

    function _wallet(uint8 seed) private view returns (address) {
        return wallets[seed % 5];
    }

    function _token(bool second) private view returns (SecurityToken) {
        return second ? other : note;
    }
}

/// @notice I8: in any window of the stated length the sum stays within the limit, whatever wallets an identity uses.
contract ComplianceInvariantTest is Ledger {
    RulesHandler private _handler;

    function setUp() public override {
        vm.warp(START);
        _handler = new RulesHandler();
        targetContract(address(_handler));
    }

    function invariant_I8_no_window_has_more_than_the_limit() public view {
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 name = _handler.names(i);
            uint256 limit = name == "carol" ? _handler.OWN_VOLUME() : _handler.VOLUME();
            assertTrue(_handler.busiest(name) <= limit, "I8: a window over the limit");
        }
    }

    function invariant_I8_the_count_is_what_was_dealt_and_what_is_pending() public view {
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 name = _handler.names(i);
            (uint256 used, uint256 has) = _handler.told(name);
            (uint256 out, uint256 in_) = (_handler.pending(name, false), _handler.pending(name, true));
            assertEq(used, _handler.dealt(name, _handler.now_()) + out + in_, "I8: used");
            assertEq(has, _handler.held(name) + in_, "held and pending in");
        }
    }

    function invariant_the_cap_holds_for_who_receives() public view {
        assertEq(_handler.overCap(), 0, "received over the cap");
    }

    function invariant_I3_the_answer_is_the_deed() public view {
        assertEq(_handler.answersThatDiffered(), 0, "I3");
    }
}
