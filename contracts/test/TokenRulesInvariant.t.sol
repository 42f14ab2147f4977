// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Stripping} from "src/life/Stripping.sol";
import {Rule} from "src/compliance/rules/Rule.sol";
import {Roles} from "src/Roles.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Ledger} from "./base/Ledger.sol";
import {RuleDesk} from "./base/RuleDesk.sol";
import {QueueDesk} from "./EarlyRedemption.t.sol";

/// @notice Three parties of one and two wallets, and an early redemption queue, deal in a bill and a bond under rules
/// that stay as they are, while units are issued, redeemed, stripped, seized and recovered. It writes down what each
/// identity received by itself, and counts every deed after which a rule does not hold.
contract TokenRulesHandler is RuleDesk, QueueDesk {
    struct Receipt {
        uint256 at;
        uint256 amount;
    }

    uint256 public constant PERIOD = 1 hours;
    uint256 public constant LEAST = 50e6;
    uint256 public constant SHARE_BP = 4_500;
    uint256 public constant MOST = 3;

    SecurityToken[2] public tokens;
    SecurityToken public strip;
    Stripping public stripping;
    address[] public wallets;
    bytes32[4] public names = [bytes32("alice"), "bob", "carol", "early-redemption"];
    mapping(address => bytes32) public ownerOf;
    uint256 public broken;
    uint256 public answersThatDiffered;
    uint256 public deals;
    mapping(address token => mapping(bytes32 name => Receipt[])) private _receipts;
    bytes32[] private _requests;

    constructor() {
        setUp();
    }

    /// @dev Once: the fuzzer may call it too.
    function setUp() public override(RuleDesk, QueueDesk) {
        if (address(stripping) != address(0)) return;
        super.setUp();
        tokens = [security, note];
        strip = createMaturing("912803ZZ1", MATURITY);
        stripping = new Stripping(address(manager), issuance);
        manager.grantRole(Roles.ISSUER, address(stripping), 0);
        map(address(stripping), Stripping.namePieces.selector, Roles.ISSUER);
        Stripping.Piece[] memory pieces = new Stripping.Piece[](1);
        pieces[0] = Stripping.Piece(strip, 1, 1);
        vm.prank(issuer);
        stripping.namePieces(note, pieces);
        wallets = [alice, bob, carol, address(0xB0B2), address(0xCA2)];
        (ownerOf[alice], ownerOf[bob], ownerOf[carol]) = ("alice", "bob", "carol");
        ownerOf[address(queue)] = "early-redemption";
        _bind(wallets[3], "bob");
        _bind(wallets[4], "carol");
        for (uint256 i = 0; i < 2; ++i) issue(note, wallets[i], 5_000e6);
        for (uint256 i = 0; i < 2; ++i) _govern(tokens[i]);
    }

    // --- what parties do ------------------------------------------------------------------------------------------

    function deal(uint8 from, uint8 to, bool second, uint256 seed, bool settles) external {
        (SecurityToken token, address giver, address taker) = (_token(second), _wallet(from), _wallet(to));
        uint256 amount = _near(token, giver, taker, seed);
        bool expected = token.canTransfer(giver, taker, amount);
        (uint256 gives, uint256 takes) = (held(token, ownerOf[giver]), held(token, ownerOf[taker]));
        vm.prank(settles ? address(settlement) : giver);
        (bool done, ) = address(token).call(
            settles
                ? abi.encodeCall(token.settlementTransfer, (giver, taker, amount))
                : abi.encodeCall(token.transfer, (taker, amount))
        );
        if (done != expected) ++answersThatDiffered;
        if (done && amount != 0) _judge(token, ownerOf[giver], ownerOf[taker], amount, gives, takes);
    }

    function queueUp(uint8 who, uint256 seed) external {
        (address holder, uint256 amount) = (_wallet(who), between(seed, 1, 900) * 1e6);
        (bytes32 from, uint256 gives) = (ownerOf[holder], held(security, ownerOf[holder]));
        uint256 takes = held(security, "early-redemption");
        vm.prank(holder);
        security.approve(address(queue), type(uint256).max);
        vm.prank(holder);
        try queue.request(security, uint88(amount)) returns (bytes32 id) {
            _requests.push(id);
            _judge(security, from, "early-redemption", amount, gives, takes);
        } catch {}
    }

    function leaveQueue(uint256 which) external {
        if (_requests.length == 0) return;
        bytes32 id = _requests[which % _requests.length];
        uint256[] memory before = _balances();
        vm.prank(queue.requestOf(id).holder);
        try queue.cancel(id) {} catch {}
        _writeDown(before);
    }

    function strike() external {
        uint256[] memory before = _balances();
        try queue.strike(security, 8) {} catch {}
        _writeDown(before);
    }

    function stripNote(uint8 who, uint256 seed) external {
        (address holder, uint256 amount) = (_wallet(who), between(seed, 1, 2_000e6));
        vm.prank(holder);
        try stripping.strip(note, uint88(amount), 1) {} catch {}
    }

    // --- what those with roles do ---------------------------------------------------------------------------------

    function print(uint8 to, bool second, uint256 seed) external {
        (SecurityToken token, address taker) = (_token(second), _wallet(to));
        (uint256 amount, uint256 takes) = (between(seed, 1, 900e6), held(token, ownerOf[taker]));
        vm.prank(issuer);
        try token.issue(taker, amount) {
            _received(token, ownerOf[taker], amount);
            if (takes == 0 && holders.holdersOf(address(token)) > MOST) ++broken;
            if (takes + amount < LEAST) ++broken;
        } catch {}
    }

    function redeem(uint8 from, bool second, uint256 seed) external {
        (SecurityToken token, address holder) = (_token(second), _wallet(from));
        uint256 balance = token.balanceOf(holder);
        uint256 amount = seed % 3 == 0 ? balance : between(seed, 0, balance);
        vm.prank(issuer);
        token.redeem(holder, amount);
    }

    function seize(uint8 from, uint8 to, bool second, uint256 seed) external {
        (SecurityToken token, address giver, address taker) = (_token(second), _wallet(from), _wallet(to));
        uint256 balance = token.balanceOf(giver);
        uint256 amount = seed % 3 == 0 ? balance : between(seed, 0, balance);
        vm.prank(enforcer);
        token.forcedTransfer(giver, taker, amount);
        if (ownerOf[giver] != ownerOf[taker]) _received(token, ownerOf[taker], amount);
    }

    /// @dev Between the two, the successor may receive units and be redeemed of them, as if he had had no others.
    function lose(uint8 which, bool dealsBetween) external {
        uint256 place = which % 5;
        (address lost, address successor) = (wallets[place], address(uint160(0xFACE0000 + wallets.length)));
        bytes32 name = ownerOf[lost];
        vm.prank(registrar);
        identities.announceRecovery(lost, successor);
        vm.warp(block.timestamp + 2 days);
        vm.prank(enforcer);
        identities.confirmRecovery(lost);
        (ownerOf[lost], ownerOf[successor], wallets[place]) = (0, name, successor);
        wallets.push(lost);
        address other = wallets[place == 0 ? 1 : 0];
        if (dealsBetween && note.balanceOf(other) > 9) {
            vm.prank(enforcer);
            note.forcedTransfer(other, successor, 9);
            _received(note, name, 9);
            vm.prank(issuer);
            note.redeem(successor, 9);
        }
        for (uint256 i = 0; i < 2; ++i) tokens[i].recover(lost, new bytes32[](0));
    }

    function pass(uint32 seconds_) external {
        vm.warp(block.timestamp + between(seconds_, 0, PERIOD));
    }

    // --- what the books say, by another route ---------------------------------------------------------------------

    function held(SecurityToken token, bytes32 name) public view returns (uint256 sum) {
        if (name == "early-redemption") return token.balanceOf(address(queue));
        for (uint256 i = 0; i < wallets.length; ++i) {
            if (ownerOf[wallets[i]] == name) sum += token.balanceOf(wallets[i]);
        }
    }

    /// @dev What an identity received in (now - PERIOD, now], by this handler's own list.
    function locked(SecurityToken token, bytes32 name) public view returns (uint256 sum) {
        Receipt[] storage list = _receipts[address(token)][name];
        for (uint256 i = list.length; i != 0 && list[i - 1].at + PERIOD > block.timestamp; --i) sum += list[i - 1].amount;
    }

    function told(SecurityToken token, bytes32 name) external view returns (bool counted, uint256 units) {
        return (holders.isCounted(address(token), name), lockUp.lockedOf(address(token), name));
    }

    function holdersOf(SecurityToken token) external view returns (uint256) {
        return holders.holdersOf(address(token));
    }

    // --- inside ---------------------------------------------------------------------------------------------------

    function _judge(
        SecurityToken token,
        bytes32 from,
        bytes32 to,
        uint256 amount,
        uint256 gives,
        uint256 takes
    ) private {
        ++deals;
        if (from == to) return;
        bool queues = to == "early-redemption"; // exempt from share and lock-up, as the one that holds for others
        if (gives < amount + locked(token, from)) ++broken;
        if (gives != amount && gives < amount + LEAST) ++broken;
        if (takes + amount < LEAST) ++broken;
        if (!queues && (takes + amount) * 10_000 > token.totalSupply() * SHARE_BP) ++broken;
        if (takes == 0 && gives != amount && holders.holdersOf(address(token)) > MOST) ++broken;
        _received(token, to, amount);
    }

    function _received(SecurityToken token, bytes32 name, uint256 amount) private {
        if (amount != 0) _receipts[address(token)][name].push(Receipt(block.timestamp, amount));
    }

    function _balances() private view returns (uint256[] memory found) {
        found = new uint256[](wallets.length);
        for (uint256 i = 0; i < found.length; ++i) found[i] = security.balanceOf(wallets[i]);
    }

    /// @dev What came out of the queue was received; the rest waits there in its owner's name.
    function _writeDown(uint256[] memory before) private {
        for (uint256 i = 0; i < before.length; ++i) {
            uint256 balance = security.balanceOf(wallets[i]);
            if (balance > before[i]) _received(security, ownerOf[wallets[i]], balance - before[i]);
        }
    }

    function _govern(SecurityToken token) private {
        Rule[4] memory rules = [Rule(share), holders, lockUp, minimum];
        uint256[4] memory values = [SHARE_BP, MOST, PERIOD, LEAST];
        address[] memory places = new address[](4);
        for (uint256 i = 0; i < 4; ++i) {
            places[i] = address(rules[i]);
            vm.prank(limiter);
            rules[i].setValue(address(token), values[i]);
        }
        vm.prank(limiter);
        share.setExempt(address(token), "early-redemption", true);
        vm.prank(limiter);
        lockUp.setExempt(address(token), "early-redemption", true);
        under(token, places);
        bytes32[] memory all = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) all[i] = names[i];
        holders.sync(address(token), all);
    }

    /// @dev Up to a little more than what the rules let through.
    function _near(SecurityToken token, address giver, address taker, uint256 seed) private view returns (uint256) {
        uint256 balance = token.balanceOf(giver);
        if (seed % 4 == 0) return balance;
        (uint256 largest, ) = token.judge(giver, taker, balance);
        return seed % 4 == 1 ? largest + (seed / 4) % 2 : between(seed, 0, balance);
    }

    function _bind(address wallet, bytes32 name) private {
        bind(wallet, name);
        ownerOf[wallet] = name;
    }

    function _wallet(uint8 seed) private view returns (address) {
        return wallets[seed % 5];
    }

    function _token(bool second) private view returns (SecurityToken) {
        return tokens[second ? 1 : 0];
    }
}

/// @notice The rules of several securities hold through all that can happen to their units.
contract TokenRulesInvariantTest is Ledger {
    TokenRulesHandler private _handler;

    function setUp() public override {
        vm.warp(START);
        _handler = new TokenRulesHandler();
        targetContract(address(_handler));
    }

    function invariant_holders_counted_are_identities_with_a_balance() public view {
        for (uint256 t = 0; t < 2; ++t) {
            SecurityToken token = _handler.tokens(t);
            uint256 found = 0;
            for (uint256 i = 0; i < 4; ++i) {
                bool holds = _handler.held(token, _handler.names(i)) != 0;
                (bool counted, ) = _handler.told(token, _handler.names(i));
                assertTrue(counted == holds, "counted is who holds");
                if (holds) ++found;
            }
            assertEq(_handler.holdersOf(token), found, "holders");
        }
    }

    function invariant_what_is_locked_is_what_was_received() public view {
        for (uint256 t = 0; t < 2; ++t) {
            SecurityToken token = _handler.tokens(t);
            for (uint256 i = 0; i < 4; ++i) {
                bytes32 name = _handler.names(i);
                (, uint256 units) = _handler.told(token, name);
                assertEq(units, _handler.locked(token, name), "locked");
            }
        }
    }

    function invariant_no_deed_went_past_a_rule() public view {
        assertEq(_handler.broken(), 0, "share, holders, lock-up or minimum");
        assertEq(_handler.answersThatDiffered(), 0, "I3");
    }
}
