// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Holds} from "src/token/Holds.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Compliance} from "src/Compliance.sol";
import {AssetRegistry} from "src/AssetRegistry.sol";
import {Roles} from "src/Roles.sol";
import {IdentityRegistry} from "src/IdentityRegistry.sol";
import {Ledger} from "./base/Ledger.sol";
import {Test} from "./base/Test.sol";

/// @notice Does anything anyone could do with a security, in any order, and keeps books of its own.
contract SecurityHandler is Test {
    SecurityToken public immutable token;
    IdentityRegistry private immutable _identities;
    Compliance private immutable _compliance;
    AssetRegistry private immutable _assets;
    uint256 private _lost;
    address[7] private _roles; // issuer, freezer, enforcer, registrar, limiter, who marks defaults, guardian
    address[4] public actors;
    bytes32[4] private _names;
    bytes32[] private _holdIds;

    mapping(address => uint256) public model;
    uint256 public modelSupply;
    uint256 public answersThatDiffered;
    uint256 public frozenByThemselves;
    uint256 public deeds;
    uint256[] private _times;
    uint256[] private _balances;

    constructor(
        SecurityToken token_,
        IdentityRegistry identities,
        Compliance compliance,
        AssetRegistry assets,
        address[7] memory roles,
        address[4] memory actors_,
        bytes32[4] memory names
    ) {
        (token, _identities, _compliance, _assets) = (token_, identities, compliance, assets);
        (_roles, actors, _names) = (roles, actors_, names);
    }

    function issue(uint8 to, uint64 amount) external {
        if (!_try(_roles[0], abi.encodeCall(token.issue, (_actor(to), amount)))) return;
        model[_actor(to)] += amount;
        modelSupply += amount;
    }

    function redeem(uint8 from, uint64 amount) external {
        if (!_try(_roles[0], abi.encodeCall(token.redeem, (_actor(from), amount)))) return;
        model[_actor(from)] -= amount;
        modelSupply -= amount;
    }

    function transfer(uint8 from, uint8 to, uint256 seed) external {
        uint256 amount = _near(_actor(from), seed);
        bool expected = token.canTransfer(_actor(from), _actor(to), amount);
        bool done = _try(_actor(from), abi.encodeCall(token.transfer, (_actor(to), amount)));
        if (done != expected) ++answersThatDiffered;
        if (done) _moved(_actor(from), _actor(to), amount);
    }

    function settlementTransfer(uint8 from, uint8 to, uint256 seed) external {
        uint256 amount = _near(_actor(from), seed);
        bool expected = token.canTransfer(_actor(from), _actor(to), amount);
        bool done = _try(token.settlement(), abi.encodeCall(token.settlementTransfer, (_actor(from), _actor(to), amount)));
        if (done != expected) ++answersThatDiffered;
        if (done) _moved(_actor(from), _actor(to), amount);
    }

    function freeze(uint8 account, uint256 amount, bool all) external {
        address holder = _actor(account);
        uint256 units = all ? amount : between(amount, 0, token.balanceOf(holder) * 2);
        _try(_roles[1], abi.encodeCall(token.setFrozenTokens, (holder, units)));
    }

    function force(uint8 from, uint8 to, uint256 seed, uint8 holds) external {
        uint256 amount = _near(_actor(from), seed);
        bytes32[] memory ids = new bytes32[](_holdIds.length == 0 ? 0 : holds % 2);
        if (ids.length == 1) ids[0] = _holdIds[seed % _holdIds.length];
        bytes memory data = holds % 3 == 0
            ? abi.encodeCall(token.forcedTransfer, (_actor(from), _actor(to), amount))
            : abi.encodeCall(token.forcedTransferEndingHolds, (_actor(from), _actor(to), amount, ids));
        uint256 frozen = token.getFrozenTokens(_actor(from));
        if (!_try(_roles[2], data)) return;
        _moved(_actor(from), _actor(to), amount);
        if (_actor(from) == _actor(to) && token.getFrozenTokens(_actor(from)) != frozen) ++frozenByThemselves;
    }

    function hold(uint8 from, uint8 notary, uint8 to, uint256 seed, uint16 life) external {
        bytes32 salt = bytes32(_holdIds.length);
        uint64 expiry = uint64(block.timestamp + life % 50);
        bytes memory data = abi.encodeCall(
            token.createHold,
            (salt, _actor(notary), _actor(to), _near(_actor(from), seed), expiry)
        );
        if (_try(_actor(from), data)) _holdIds.push(token.holdIdOf(_actor(from), salt));
    }

    function endHold(uint256 index, uint8 way, uint256 seed) external {
        if (_holdIds.length == 0) return;
        bytes32 id = _holdIds[index % _holdIds.length];
        Holds.Hold memory made = token.hold(id);
        if (way % 3 == 0) {
            _try(made.to, abi.encodeCall(token.releaseHold, (id)));
        } else if (way % 3 == 1) {
            _try(address(this), abi.encodeCall(token.expireHold, (id)));
        } else {
            uint256 amount = between(seed, 0, made.amount);
            if (_try(made.notary, abi.encodeCall(token.executeHold, (id, amount)))) {
                _moved(made.holder, made.to, amount);
            }
        }
    }

    function claim(uint8 account, bool valid) external {
        vm.prank(_roles[3]);
        _identities.setClaim(_names[account % 4], valid ? type(uint64).max : 0);
    }

    function limit(uint256 units, bool none) external {
        vm.prank(_roles[4]);
        _compliance.setTradeLimit(none ? type(uint256).max : between(units, 0, type(uint64).max));
    }

    function pause(bool paused, uint8 seed) external {
        vm.prank(_roles[1]);
        _assets.setPaused(address(token), paused && seed % 4 == 0);
    }

    function mark(bool inDefault, uint8 seed) external {
        vm.prank(_roles[5]);
        _assets.setInDefault(address(token), inDefault && seed % 4 == 0);
    }

    /// @dev One call in four stops the ledger, the next one lets it go on.
    function stopOrResume(uint8 seed) external {
        bool stops = block.timestamp >= _compliance.stoppedUntil();
        if (stops && seed % 4 != 0) return;
        vm.prank(_roles[6]);
        if (stops) _compliance.stop();
        else _compliance.resume();
    }

    function denominate(uint8 units) external {
        vm.prank(_roles[0]);
        _assets.setDenomination(address(token), 1 + (units % 3));
    }

    /// @dev An actor loses his key: a new wallet takes his place, here as there.
    function lose(uint8 account, uint256 holds) external {
        if (_lost == 8) return;
        address lost = _actor(account);
        address successor = address(uint160(0x105E00 + ++_lost));
        vm.prank(_roles[3]);
        _identities.announceRecovery(lost, successor);
        uint256 now_ = block.timestamp;
        vm.warp(now_ + 1 days);
        vm.prank(_roles[2]);
        _identities.confirmRecovery(lost);
        vm.warp(now_);
        token.recover(lost, _pendingOf(lost, holds));
        actors[account % 4] = successor;
        (model[successor], model[lost]) = (model[lost], 0);
        if (account % 4 == 0) (_times, _balances) = (new uint256[](0), new uint256[](0));
        ++deeds;
    }

    function _pendingOf(address holder, uint256 seed) private view returns (bytes32[] memory ids) {
        uint256 count = 0;
        for (uint256 round = 0; round < 2; ++round) {
            if (round == 1) (ids, count) = (new bytes32[](count), 0);
            for (uint256 i = 0; i < _holdIds.length; ++i) {
                Holds.Hold memory made = token.hold(_holdIds[i]);
                bool named = made.holder == holder || (made.to == holder && seed % 2 == 0);
                if (made.status != Holds.HoldStatus.Pending || !named) continue;
                if (round == 1) ids[count] = _holdIds[i];
                ++count;
            }
        }
    }

    /// @dev The second ends: what the first actor has then is written down.
    function pass(uint8 seconds_) external {
        _times.push(block.timestamp);
        _balances.push(token.balanceOf(actors[0]));
        vm.warp(block.timestamp + 1 + (seconds_ % 20));
    }

    function holdsOf(address holder) external view returns (uint256 pending) {
        for (uint256 i = 0; i < _holdIds.length; ++i) {
            Holds.Hold memory made = token.hold(_holdIds[i]);
            if (made.holder == holder && made.status == Holds.HoldStatus.Pending) pending += made.amount;
        }
    }

    function checkPast() external view {
        for (uint256 i = 0; i < _times.length; ++i) {
            assertEq(token.balanceOfAt(actors[0], uint48(_times[i])), _balances[i], "past balance");
        }
    }

    function _moved(address from, address to, uint256 amount) private {
        model[from] -= amount;
        model[to] += amount;
    }

    function _near(address holder, uint256 seed) private view returns (uint256) {
        return between(seed / 4, 0, seed % 4 == 0 ? token.balanceOf(holder) + 1 : token.availableOf(holder) + 1);
    }

    function _actor(uint8 index) private view returns (address) {
        return actors[index % 4];
    }

    function _try(address sender, bytes memory data) private returns (bool success) {
        vm.prank(sender);
        (success, ) = address(token).call(data);
        if (success) ++deeds;
    }
}

/// @notice What holds whatever was done.
contract SecurityTokenInvariantTest is Ledger {
    SecurityHandler private _handler;

    function setUp() public override {
        super.setUp();
        address dave = address(0xDA7E);
        enrol("dave", dave);
        manager.grantRole(Roles.DEFAULTS, address(0xDEF), 0);
        _handler = new SecurityHandler(
            note,
            identities,
            compliance,
            assets,
            [issuer, freezer, enforcer, registrar, limiter, address(0xDEF), guardian],
            [alice, bob, carol, dave],
            [bytes32("alice"), "bob", "carol", "dave"]
        );
        targetContract(address(_handler));
    }

    /// @notice I1: the sum of balances is the supply, and both are what a plain model says.
    function invariant_I1_sum_of_balances_is_the_supply() public view {
        uint256 sum = 0;
        for (uint256 i = 0; i < 4; ++i) {
            address actor = _handler.actors(i);
            sum += note.balanceOf(actor);
            assertEq(note.balanceOf(actor), _handler.model(actor), "model");
        }
        assertEq(sum, note.totalSupply(), "I1");
        assertEq(sum, _handler.modelSupply(), "model");
    }

    /// @notice I2: available = max(0, balance - frozen - held), held <= balance.
    function invariant_I2_available_and_held() public view {
        for (uint256 i = 0; i < 4; ++i) {
            address actor = _handler.actors(i);
            (uint256 balance, uint256 held) = (note.balanceOf(actor), note.heldOf(actor));
            assertTrue(held <= balance, "I2: held");
            uint256 taken = held + _min(note.getFrozenTokens(actor), balance - held);
            assertEq(note.availableOf(actor), balance - taken, "I2: available");
        }
    }

    /// @notice I3: no transfer ever did other than `canTransfer` had said.
    function invariant_I3_answers_and_deeds_agree() public view {
        assertEq(_handler.answersThatDiffered(), 0, "I3");
    }

    /// @notice I4: no forced self-transfer ever changed what was frozen.
    function invariant_I4_forced_self_transfers_leave_the_frozen() public view {
        assertEq(_handler.frozenByThemselves(), 0, "I4");
    }

    /// @notice I7: held units are the sum of the holder's pending holds.
    function invariant_I7_held_is_the_sum_of_pending_holds() public view {
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(note.heldOf(_handler.actors(i)), _handler.holdsOf(_handler.actors(i)), "I7");
        }
    }

    /// @notice Past balances never change.
    function invariant_past_balances_stand() public view {
        _handler.checkPast();
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
