// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CouponPayer} from "src/life/CouponPayer.sol";
import {EarlyRedemption} from "src/life/EarlyRedemption.sol";
import {Issuance} from "src/life/Issuance.sol";
import {Stripping} from "src/life/Stripping.sol";
import {CashToken} from "src/CashToken.sol";
import {IdentityRegistry} from "src/IdentityRegistry.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {LifeDesk} from "./LifeDesk.sol";
import {Test} from "./Test.sol";
import {Vm} from "./Vm.sol";

/// @notice A bond that is stripped, put together and asked to be redeemed early, in any order, with coupons, sanctions
/// and defaults in between. Keeps books of its own: of acts a model, that reads nothing of the contract's.
contract StripQueueHandler is Test {
    uint64 private constant PERIOD = 20 days;
    uint256 private constant COUPONS = 2;
    uint256 private constant PRICE_UNIT = 1e8;
    bytes32 private constant EVIDENCE = keccak256("evidence");

    SecurityToken private immutable _bond;
    CashToken private immutable _usd;
    CouponPayer private immutable _payer;
    Issuance private immutable _issuance;
    Stripping private immutable _stripping;
    EarlyRedemption private immutable _queue;
    IdentityRegistry private immutable _identities;
    address private immutable _treasury;
    address private immutable _issuer;
    address private immutable _freezer;
    uint64 private immutable _start = uint64(block.timestamp);
    address[3] private _holders;
    bytes32[3] private _names;

    /// @dev An act as it ought to stand: pieces [next, end) are to be delivered, or to be taken in before `due`.
    struct Model {
        address holder;
        uint88 face;
        uint8 first;
        uint8 next;
        uint8 end;
        bool joining;
        uint64 due;
    }

    uint8 private constant PIECES = 4;
    bytes32[] public acts;
    mapping(bytes32 => Model) private _models;

    /// @notice Of each piece, the face that was delivered and not taken in; of bonds, what was put together less apart.
    int256[4] public delivered;
    int256 public bonds;
    bytes32[] public requests;
    bytes32[] public coupons;

    /// @dev When a request was made, and the cut-off from which it is gone; 0: its holder wants to stay.
    mapping(bytes32 requestId => uint256) private _madeAt;
    mapping(bytes32 requestId => uint256) private _leavesAt;

    /// @notice Face that the queue redeemed, and cash that it paid.
    uint256 public struck;
    uint256 public paid;
    uint256 public passedOn;

    /// @notice What must never happen, counted.
    uint256 public movedInDefault;
    uint256 public wronglyPaid;
    uint256 public outOfOrder;
    uint256 public stuck;
    uint256 public overTheDay;
    uint256 public passedTwice;
    uint256 public wronglyActed;
    uint256 public wronglyReturned;
    uint256 public notFinal;
    mapping(uint256 day => uint256) private _struckOn;

    /// @dev Steps of the last strike that ended no request.
    uint256 private _stepsLeft;

    constructor(
        LifeDesk.World memory world,
        Stripping stripping,
        EarlyRedemption queue,
        address[3] memory holders,
        bytes32[3] memory names
    ) {
        (_bond, _usd, _payer, _issuance) = (world.token, world.usd, world.payer, world.issuance);
        (_treasury, _issuer, _freezer) = (world.treasury, world.issuer, world.freezer);
        _identities = world.identities;
        (_stripping, _queue, _holders, _names) = (stripping, queue, holders, names);
    }

    function trade(uint8 from, uint8 to, uint256 seed) external {
        address giver = _holders[from % 3];
        uint256 amount = between(seed, 0, _bond.availableOf(giver));
        vm.prank(giver);
        try _bond.transfer(_holders[to % 3], amount) {
            if (_inDefault()) ++movedInDefault;
        } catch {}
    }

    function declare(uint8 chance) external {
        if (chance % 8 != 0) return;
        vm.prank(_issuer);
        try _issuance.declareDefault(address(_bond), EVIDENCE) {} catch {}
    }

    function cure() external {
        vm.prank(_issuer);
        try _issuance.cureDefault(address(_bond), EVIDENCE) {} catch {}
    }

    function sanction(uint8 who, bool so) external {
        bytes32[] memory list = new bytes32[](1);
        list[0] = _names[who % 3];
        vm.prank(_freezer);
        _identities.setSanctioned(list, so);
    }

    function pass(uint32 seconds_) external {
        uint256 until = block.timestamp + between(seconds_, 0, 12 days);
        uint64 record = _start + PERIOD * uint64(coupons.length + 1);
        if (coupons.length < COUPONS && until >= record) {
            bytes32 id = _payer.couponIdOf(_bond, record);
            coupons.push(id);
            vm.warp(record - 1);
            vm.prank(_issuer);
            try _payer.announce(_bond, record, record, 3, 200) {
                vm.warp(record);
                vm.prank(_treasury);
                _payer.fund(id);
            } catch {}
        }
        vm.warp(until > block.timestamp ? until : block.timestamp);
    }

    // --- stripping ----------------------------------------------------------------------------------------------

    /// @dev Only a face whose pieces are whole units is taken apart, or put together.
    function strip(uint8 who, uint256 seed, uint8 steps) external {
        address holder = _holders[who % 3];
        uint88 face = uint88(between(seed, 0, _bond.availableOf(holder)));
        if (seed % 8 != 0) face = face / 200 * 200;
        vm.prank(holder);
        try _stripping.strip(_bond, face, steps % 4) returns (bytes32 id) {
            bonds -= int256(uint256(face));
            _begun(id, holder, face, false, steps % 4);
        } catch {}
    }

    function reconstitute(uint8 who, uint256 seed, uint8 steps) external {
        uint88 face = uint88(between(seed, 1, 10) * 200 + (seed % 8 == 0 ? 1 : 0));
        vm.prank(_holders[who % 3]);
        try _stripping.reconstitute(_bond, face, steps % 4) returns (bytes32 id) {
            _begun(id, _holders[who % 3], face, true, steps % 4);
        } catch {}
    }

    /// @dev A bond in default is not created either, by an act that began before; nor once a payment date has come.
    /// What is due to a holder is delivered whenever anyone asks.
    function carryOn(uint8 who, uint256 seed, uint8 steps) external {
        if (acts.length == 0) return;
        bytes32 id = acts[seed % acts.length];
        Model storage act = _models[id];
        address caller = _holders[who % 3];
        bool may = act.next != act.end;
        if (act.joining) may = may && caller == act.holder && block.timestamp < act.due && !_inDefault();
        vm.prank(caller);
        try _stripping.carryOn(id, steps % 4) {
            if (!may) ++wronglyActed;
            _move(act, steps % 4);
        } catch {
            if (may && !act.joining && !_identities.isWalletSanctioned(act.holder)) ++wronglyActed;
        }
    }

    function giveUp(uint8 who, uint256 seed) external {
        if (acts.length == 0) return;
        bytes32 id = acts[seed % acts.length];
        Model storage act = _models[id];
        address caller = seed % 2 == 0 ? act.holder : _holders[who % 3];
        bool may = act.joining && act.next != act.end && caller == act.holder;
        vm.prank(caller);
        try _stripping.giveUp(id) {
            if (!may) ++wronglyActed;
            (act.joining, act.end, act.next) = (false, act.next, act.first);
        } catch {
            if (may) ++wronglyActed;
        }
    }

    // --- the queue ----------------------------------------------------------------------------------------------

    function ask(uint8 who, uint256 seed) external {
        vm.prank(_holders[who % 3]);
        try _queue.request(_bond, uint88(between(seed, 1, seed % 4 == 0 ? 3 : 3_000))) returns (bytes32 id) {
            requests.push(id);
            _madeAt[id] = block.timestamp;
            if (_inDefault()) ++movedInDefault;
        } catch {}
    }

    function cancel(uint8 who, uint256 seed) external {
        if (requests.length == 0) return;
        bytes32 id = requests[seed % requests.length];
        bool free = _isFree(id);
        vm.prank(_holders[who % 3]);
        try _queue.cancel(id) {
            bool gone = _queue.requestOf(id).face == 0;
            if (gone != free) ++notFinal;
            if (!gone) _leavesAt[id] = _today() + 1 days;
        } catch {}
    }

    /// @dev May leave at once: asked today, gone already, or nothing is struck.
    function _isFree(bytes32 id) private view returns (bool) {
        (EarlyRedemption.Terms memory terms, ) = _queue.windowOf(_bond);
        bool open = block.timestamp < terms.closesAt && !_inDefault();
        return !open || _madeAt[id] >= _today() || _isGone(id);
    }

    function _isGone(bytes32 id) private view returns (bool) {
        return _leavesAt[id] != 0 && block.timestamp >= _leavesAt[id];
    }

    /// @dev The cut-off at which the day began: 12 hours after the window's midnight.
    function _today() private view returns (uint256) {
        return _start + 12 hours + (block.timestamp + 12 hours - _start) / 1 days * 1 days - 1 days;
    }

    function fundQueue(uint256 seed) external {
        vm.prank(_treasury);
        _queue.fund(_bond, between(seed, 0, 500));
    }

    function withdraw(uint256 seed) external {
        (EarlyRedemption.Terms memory terms, EarlyRedemption.Queue memory found) = _queue.windowOf(_bond);
        bool due = block.timestamp < terms.closesAt && !_inDefault() && _struckOn[_today()] < terms.dailyFace;
        due = due && found.first != 0 && _madeAt[found.first] < _today();
        vm.prank(_treasury);
        try _queue.withdrawFunds(_bond, between(seed, 0, found.funds)) {
            if (due) ++notFinal;
        } catch {}
    }

    /// @dev The first in the queue is served, whole or until the day's limit or the cash ends, or given back; those
    /// before the last that was served are over; each face is paid floor(face x price).
    function strike(uint8 steps) external {
        (EarlyRedemption.Terms memory terms, EarlyRedemption.Queue memory before) = _queue.windowOf(_bond);
        (uint256[3] memory cash, uint256 supply) = (_cash(), _bond.totalSupply());
        bytes32 first = before.first;
        uint256 faceOfFirst = _queue.requestOf(first).face;
        uint256 kept = _usd.balanceOf(address(_queue));
        vm.recordLogs();
        _stepsLeft = 1 + (steps % 20);
        (bool ran, uint256 gone) = _strike(_stepsLeft);
        _eachIsRight(vm.getRecordedLogs(), terms.priceE6);
        bool open = block.timestamp < terms.closesAt && !_inDefault();
        if (ran && !open) ++movedInDefault;
        if (!ran) {
            if (open) ++stuck;
            return;
        }
        (, EarlyRedemption.Queue memory later) = _queue.windowOf(_bond);
        uint256 spent = before.funds - later.funds;
        if (supply - _bond.totalSupply() != gone || kept - _usd.balanceOf(address(_queue)) != spent) ++wronglyPaid;
        uint256 got = 0;
        for (uint256 i = 0; i < 3; ++i) got += _usd.balanceOf(_holders[i]) - cash[i];
        if (got != spent) ++wronglyPaid;
        uint256 day = _today();
        _struckOn[day] += gone;
        if (_struckOn[day] > terms.dailyFace) ++overTheDay;
        (struck, paid) = (struck + gone, paid + spent);
        _inOrder(terms, before, later, first, faceOfFirst);
        _goesOn(terms, later);
    }

    function passCoupon(uint256 seed, uint256 which) external {
        if (coupons.length == 0 || requests.length == 0) return;
        (bytes32 coupon, bytes32 account) = (coupons[seed % coupons.length], requests[which % requests.length]);
        bool before = _queue.isPassed(coupon, account);
        try _queue.passCoupon(account, coupon) returns (uint256 amount) {
            passedOn += amount;
            if (before) ++passedTwice;
        } catch {}
    }

    function payCoupon(uint256 seed, uint8 who) external {
        if (coupons.length == 0) return;
        address[] memory batch = new address[](2);
        (batch[0], batch[1]) = (_holders[who % 3], address(_queue));
        try _payer.pay(coupons[seed % coupons.length], batch) {} catch {}
    }

    function collect(uint8 who) external {
        try _queue.collect(_holders[who % 3], _bond) {} catch {}
    }

    function actCount() external view returns (uint256) {
        return acts.length;
    }

    function requestCount() external view returns (uint256) {
        return requests.length;
    }

    function couponCount() external view returns (uint256) {
        return coupons.length;
    }

    // --- inside -------------------------------------------------------------------------------------------------

    /// @dev Pieces whose payment date has come are no part of an act.
    function _begun(bytes32 id, address holder, uint88 face, bool joining, uint8 steps) private {
        if (_inDefault() || face == 0 || face % 200 != 0) ++wronglyActed;
        acts.push(id);
        uint256 periods = (block.timestamp - _start) / PERIOD;
        uint8 first = uint8(periods < COUPONS ? periods : COUPONS);
        uint64 due = _start + (first + 1) * PERIOD;
        _models[id] = Model(holder, face, first, first, PIECES, joining, due);
        _move(_models[id], steps);
    }

    function _move(Model storage act, uint8 steps) private {
        int256 face = int256(uint256(act.face));
        for (; act.next < act.end && steps != 0; --steps) delivered[act.next++] += act.joining ? -face : face;
        if (act.joining && act.next == act.end) bonds += face;
    }

    /// @dev No unit is given for nothing, nobody on the list is paid; nothing goes back that could be paid for.
    function _eachIsRight(Vm.Log[] memory logs, uint256 priceE6) private {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(_queue)) continue;
            if (logs[i].topics[0] == EarlyRedemption.EarlyRedemptionStruck.selector) {
                if (_identities.isWalletSanctioned(address(uint160(uint256(logs[i].topics[3]))))) ++wronglyPaid;
                if (_madeAt[logs[i].topics[1]] >= _today() || _isGone(logs[i].topics[1])) ++notFinal;
                (uint256 face, uint256 cash, ) = abi.decode(logs[i].data, (uint256, uint256, uint256));
                if (cash == 0 || cash != (face * priceE6) / PRICE_UNIT) ++wronglyPaid;
            } else if (logs[i].topics[0] == EarlyRedemption.EarlyRedemptionEnded.selector) {
                --_stepsLeft;
                uint256 back = abi.decode(logs[i].data, (uint256));
                address holder = address(uint160(uint256(logs[i].topics[2])));
                bool payable_ = !_identities.isWalletSanctioned(holder) && !_isGone(logs[i].topics[1]);
                if (back != 0 && payable_ && (back * priceE6) / PRICE_UNIT != 0) ++wronglyReturned;
            }
        }
    }

    /// @dev A strike stops after its steps, or where cash or day end.
    function _goesOn(EarlyRedemption.Terms memory terms, EarlyRedemption.Queue memory later) private {
        bool today = _struckOn[_today()] + 2 < terms.dailyFace && _madeAt[later.first] < _today();
        bool cash = (later.funds * PRICE_UNIT) / terms.priceE6 > 2;
        if (later.first != 0 && _stepsLeft != 0 && today && cash) ++stuck;
    }

    function _inDefault() private view returns (bool) {
        return _issuance.defaultOf(address(_bond)) != 0;
    }

    function _cash() private view returns (uint256[3] memory found) {
        for (uint256 i = 0; i < 3; ++i) found[i] = _usd.balanceOf(_holders[i]);
    }

    function _strike(uint256 steps) private returns (bool, uint256) {
        try _queue.strike(_bond, steps) returns (uint256 face) {
            return (true, face);
        } catch {
            return (false, 0);
        }
    }

    /// @dev Whoever comes first waits only for cash or for tomorrow; nobody behind him is served before.
    function _inOrder(
        EarlyRedemption.Terms memory terms,
        EarlyRedemption.Queue memory before,
        EarlyRedemption.Queue memory later,
        bytes32 first,
        uint256 faceOfFirst
    ) private {
        if (first == 0) return;
        uint256 left = _queue.requestOf(first).face;
        bool cash = (before.funds * PRICE_UNIT) / terms.priceE6 > 2;
        bool today = _struckOn[_today()] + 2 < terms.dailyFace && _madeAt[first] < _today();
        if (left == faceOfFirst && cash && today) ++stuck;
        bytes32 at = later.first;
        for (uint256 i = 0; i < requests.length; ++i) {
            EarlyRedemption.Request memory one = _queue.requestOf(requests[i]);
            if (one.face == 0) continue;
            // those that wait are in the order in which they asked: none is missing, none behind who came later
            if (at != requests[i]) ++outOfOrder;
            at = one.next;
        }
        if (at != 0) ++outOfOrder;
    }
}
