// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CouponPayer} from "src/life/CouponPayer.sol";
import {Issuance} from "src/life/Issuance.sol";
import {Redemptions} from "src/life/Redemptions.sol";
import {CashToken} from "src/CashToken.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {LifeDesk} from "./LifeDesk.sol";
import {Test} from "./Test.sol";

/// @notice An indexed, a floating and a callable security: holders trade, coupons and redemptions are paid in any
/// order, defaults come and go, and there may be a call. Keeps books of its own.
contract LifeKindsHandler is Test {
    /// @dev A payment by record: its fraction, and positions of the second before.
    struct Payment {
        uint8 kind;
        bool recovery;
        uint256 numerator;
        uint256 denominator;
        uint256[3] faces;
    }

    uint8 public constant INDEXED = 0;
    uint8 public constant FLOATING = 1;
    uint8 public constant CALLABLE = 2;
    uint64 public constant DATED_CPI = 250e5;
    uint64 private constant PERIOD = 20 days;
    uint256 private constant COUPONS = 3;
    bytes32 private constant EVIDENCE = keccak256("evidence");

    SecurityToken[3] private _tokens;
    CashToken private immutable _usd;
    CouponPayer private immutable _payer;
    Issuance private immutable _issuance;
    address private immutable _treasury;
    address private immutable _issuer;
    address private immutable _freezer;
    uint64 private immutable _start = uint64(block.timestamp);
    address[3] private _holders;
    bytes32[3] private _names;
    uint256[3] private _coupons;
    bool[3] private _callPaid;

    bytes32[] public ids;
    mapping(bytes32 => Payment) private _payments;
    mapping(bytes32 => mapping(address => uint256)) public paidTo;
    uint256[3] public redeemed;
    uint256[2][3] private _fractions;
    uint64 public calledAt;

    /// @notice What must never happen, counted.
    uint256 public paidTwice;
    uint256 public movedInDefault;
    uint256 public refusedWhilePerforming;
    uint256 public paidTooEarly;
    uint256 public couponsAfterTheEnd;
    uint256 public wronglyRedeemed;

    constructor(
        LifeDesk.World memory world,
        SecurityToken[3] memory tokens,
        address[3] memory holders,
        bytes32[3] memory names
    ) {
        (_usd, _payer, _issuance) = (world.usd, world.payer, world.issuance);
        (_treasury, _issuer, _freezer) = (world.treasury, world.issuer, world.freezer);
        (_tokens, _holders, _names) = (tokens, holders, names);
    }

    function trade(uint8 kind, uint8 from, uint8 to, uint256 seed) external {
        SecurityToken token = _tokens[kind % 3];
        address giver = _holders[from % 3];
        uint256 amount = between(seed, 0, token.availableOf(giver));
        vm.prank(giver);
        try token.transfer(_holders[to % 3], amount) {
            if (_inDefault(kind)) ++movedInDefault;
        } catch {
            if (!_inDefault(kind) && block.timestamp < token.maturity() && !_ended(kind)) ++refusedWhilePerforming;
        }
    }

    function freeze(uint8 kind, uint8 who, uint256 seed) external {
        vm.prank(_freezer);
        _tokens[kind % 3].setFrozenTokens(_holders[who % 3], seed % 2 == 0 ? 0 : seed % 1_000_000);
    }

    function declare(uint8 kind, uint8 chance) external {
        if (chance % 4 == 0) _declare(kind);
    }

    function cure(uint8 kind) external {
        vm.prank(_issuer);
        try _issuance.cureDefault(address(_tokens[kind % 3]), EVIDENCE) {} catch {}
    }

    /// @dev Of the callable one, at once; of the indexed one never.
    function call(uint8 kind, uint8 chance, uint32 later, uint32 premium) external {
        if (chance % 3 != 0 || kind % 3 == FLOATING) return;
        uint64 day = uint64(block.timestamp + between(later, 1, 30 days));
        vm.prank(_issuer);
        try _issuance.callSecurity(_tokens[kind % 3], day, day, _treasury, 100e6 + premium % 5e6) {
            if (_inDefault(kind) || kind % 3 == INDEXED) ++movedInDefault;
            if (kind % 3 == CALLABLE) calledAt = day;
            _fractions[kind % 3] = [100e6 + uint256(premium % 5e6), 100e6];
        } catch {}
    }

    /// @dev Time stands still at each record time's last second, so that the model sees the positions that count.
    /// It passes evenly, whatever values are favoured: everything is to mature in the middle of a run.
    function pass(uint256 seed) external {
        uint256 until = block.timestamp + (uint256(keccak256(abi.encode(seed))) % 30 days);
        for (uint256 n = 0; n < 12; ++n) {
            (uint8 kind, uint64 record) = _nextRecord();
            if (record == 0 || record > until) break;
            vm.warp(record - 1);
            _announce(kind, record, uint256(keccak256(abi.encode(seed, n))));
        }
        vm.warp(until > block.timestamp ? until : block.timestamp);
    }

    /// @dev A recovery is announced for the positions of this moment.
    function recover(uint8 kind, uint256 seed) external {
        SecurityToken token = _tokens[kind % 3];
        uint64 record = uint64(block.timestamp + 1);
        uint128 numerator = uint128(between(seed, 1, 7));
        (, uint64 next) = _nextRecord();
        bytes32 id = _payer.couponIdOf(token, record);
        if (record == next || _payments[id].denominator != 0) return;
        _payments[id] = Payment(kind % 3, true, numerator, 50, _faces(token));
        vm.warp(record);
        vm.prank(_issuer);
        try _payer.announceRecovery(token, record, record, numerator, 50) {
            ids.push(id);
            if (!_inDefault(kind)) ++movedInDefault;
        } catch {
            if (_inDefault(kind)) ++refusedWhilePerforming;
        }
    }

    function fund(uint256 seed) external {
        if (ids.length == 0) return;
        bytes32 id = ids[seed % ids.length];
        vm.prank(_treasury);
        try _payer.fund(id) {
            if (_inDefault(_payments[id].kind) && !_payments[id].recovery) ++movedInDefault;
        } catch {
            if (_payments[id].recovery && _payer.couponOf(id).payer == address(0)) ++refusedWhilePerforming;
        }
    }

    function pay(uint256 seed, uint8 first, uint8 second) external {
        if (ids.length == 0) return;
        bytes32 id = ids[seed % ids.length];
        uint256[3] memory before = _cash();
        try _payer.pay(id, _batch(first, second)) {
            for (uint256 i = 0; i < 3; ++i) {
                uint256 got = _usd.balanceOf(_holders[i]) - before[i];
                if (got != 0 && paidTo[id][_holders[i]] != 0) ++paidTwice;
                paidTo[id][_holders[i]] += got;
            }
        } catch {}
    }

    function openRedemption(uint8 kind, uint64 cpi) public {
        SecurityToken token = _tokens[kind % 3];
        uint64 end = token.maturity();
        if (cpi % 4 != 0 && block.timestamp < end) return; // seldom before: a security that is opened is not called
        vm.prank(_issuer);
        if (kind % 3 == INDEXED) {
            uint64 cpiE5 = uint64(between(cpi, 200e5, 320e5));
            try _issuance.openIndexedRedemption(token, end, _treasury, cpiE5) {
                if (_inDefault(kind)) ++movedInDefault;
                uint256 ratio = _ratioE5(cpiE5);
                _fractions[INDEXED] = [ratio < 1e5 ? 1e5 : ratio, uint256(1e5)];
            } catch {}
        } else {
            try _issuance.openRedemption(token, end, _treasury) {
                if (_inDefault(kind)) ++movedInDefault;
                _fractions[kind % 3] = [uint256(1), 1];
            } catch {}
        }
    }

    function fundRedemption(uint8 kind, uint256 seed) public {
        SecurityToken token = _tokens[kind % 3];
        uint256 funds = _issuance.redemptionOf(address(token)).funds;
        uint256 due = _issuance.redemptionCash(address(token), token.totalSupply());
        if (due <= funds) return;
        vm.prank(_treasury);
        try _issuance.fundRedemption(token, seed % 4 == 0 ? between(seed, 1, due - funds) : due - funds) {
            if (_inDefault(kind)) ++movedInDefault;
        } catch {}
    }

    /// @dev Opens it when it has matured, and funds it, one time in two; a default may come between funds and payment.
    /// Who is redeemed has floor(face x fraction), the fraction by the books here, his frozen part of it blocked
    /// under his name.
    function redeem(uint8 kind, uint8 first, uint8 second, uint256 seed) external {
        SecurityToken token = _tokens[kind % 3];
        bool whole = seed % 2 == 0 && block.timestamp >= token.maturity();
        if (whole) openRedemption(kind, uint64(seed));
        if (seed % 2 == 0) fundRedemption(kind, 1);
        if (seed % 8 == 6) _declare(kind);
        uint256[3] memory cash = _cash();
        uint256[3] memory face = _faces(token);
        uint256[3] memory blocked = _blocked();
        try _issuance.redeem(token, seed % 4 == 0 ? _everyone() : _batch(first, second)) {
            Redemptions.Redemption memory opened = _issuance.redemptionOf(address(token));
            if (_inDefault(kind)) ++movedInDefault;
            if (block.timestamp < opened.payableFrom) ++paidTooEarly;
            for (uint256 i = 0; i < 3; ++i) {
                uint256 gone = face[i] - token.balanceOf(_holders[i]);
                uint256 got = _usd.balanceOf(_holders[i]) - cash[i];
                got += _issuance.blockedOf(_names[i]) - blocked[i];
                if (got != (gone * _fractions[kind % 3][0]) / _fractions[kind % 3][1]) ++wronglyRedeemed;
                redeemed[kind % 3] += gone;
            }
        } catch {}
    }

    function count() external view returns (uint256) {
        return ids.length;
    }

    function paymentOf(bytes32 id) external view returns (Payment memory) {
        return _payments[id];
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _inDefault(uint8 kind) private view returns (bool) {
        return _issuance.defaultOf(address(_tokens[kind % 3])) != 0;
    }

    function _declare(uint8 kind) private {
        vm.prank(_issuer);
        try _issuance.declareDefault(address(_tokens[kind % 3]), EVIDENCE) {} catch {}
    }

    function _everyone() private view returns (address[] memory batch) {
        batch = new address[](3);
        for (uint256 i = 0; i < 3; ++i) batch[i] = _holders[i];
    }

    function _ended(uint8 kind) private view returns (bool) {
        return block.timestamp >= _issuance.endOf(address(_tokens[kind % 3]));
    }

    function _batch(uint8 first, uint8 second) private view returns (address[] memory batch) {
        batch = new address[](2);
        (batch[0], batch[1]) = (_holders[first % 3], _holders[second % 3]);
    }

    function _cash() private view returns (uint256[3] memory found) {
        for (uint256 i = 0; i < 3; ++i) found[i] = _usd.balanceOf(_holders[i]);
    }

    function _blocked() private view returns (uint256[3] memory found) {
        for (uint256 i = 0; i < 3; ++i) found[i] = _issuance.blockedOf(_names[i]);
    }

    function _faces(SecurityToken token) private view returns (uint256[3] memory found) {
        for (uint256 i = 0; i < 3; ++i) found[i] = token.balanceOf(_holders[i]);
    }

    /// @dev The earliest record to come: of a coupon of any kind, or of the interest to a call.
    function _nextRecord() private view returns (uint8 kind, uint64 record) {
        for (uint8 k = 0; k < 3; ++k) {
            uint64 due = _coupons[k] < COUPONS ? _start + PERIOD * uint64(_coupons[k] + 1) : 0;
            if (k == CALLABLE && calledAt != 0 && !_callPaid[k] && (due == 0 || calledAt < due)) due = calledAt;
            if (due > block.timestamp && (record == 0 || due < record)) (kind, record) = (k, due);
        }
    }

    function _announce(uint8 kind, uint64 record, uint256 seed) private {
        if (record == calledAt && kind == CALLABLE) _callPaid[kind] = true;
        if (record == _start + PERIOD * uint64(_coupons[kind] + 1)) ++_coupons[kind];
        SecurityToken token = _tokens[kind];
        bytes32 id = _payer.couponIdOf(token, record);
        Payment memory known = Payment(kind, false, 1, 73, _faces(token));
        bool accepted;
        if (kind == INDEXED) (known.numerator, known.denominator, accepted) = _indexed(token, record, seed);
        else if (kind == FLOATING) (known.numerator, known.denominator, accepted) = _floating(token, record, seed);
        else accepted = _fixed(token, record);
        bool late = record > (kind == CALLABLE && calledAt != 0 ? calledAt : token.maturity());
        bool stopped = _inDefault(kind) || known.numerator == 0;
        if (accepted) (_payments[id], couponsAfterTheEnd) = (known, couponsAfterTheEnd + (late ? 1 : 0));
        if (accepted) ids.push(id);
        if (accepted && stopped) ++movedInDefault;
        if (!accepted && !late && !stopped) ++refusedWhilePerforming;
    }

    function _fixed(SecurityToken token, uint64 record) private returns (bool) {
        vm.prank(_issuer);
        try _payer.announce(token, record, record, 1, 73) {
            return true;
        } catch {
            return false;
        }
    }

    /// @dev The quotient is cut to six decimals and rounded half up to five, here by its last digit.
    function _ratioE5(uint64 cpi) private pure returns (uint256) {
        uint256 cut = (uint256(cpi) * 1e6) / DATED_CPI;
        return cut / 10 + (cut % 10 >= 5 ? 1 : 0);
    }

    function _indexed(SecurityToken token, uint64 record, uint256 seed) private returns (uint256, uint256, bool) {
        uint64 cpi = uint64(between(seed, 200e5, 320e5));
        uint256 ratio = _ratioE5(cpi);
        vm.prank(_issuer);
        try _payer.announceIndexed(token, record, record, 1, 160, cpi) {
            return (ratio, 160e5, true);
        } catch {
            return (ratio, 160e5, false);
        }
    }

    /// @dev Days of a negative rate count nothing, and take nothing from the others.
    function _floating(SecurityToken token, uint64 record, uint256 seed) private returns (uint256, uint256, bool) {
        CouponPayer.Stretch[] memory stretches = new CouponPayer.Stretch[](2);
        stretches[0] = CouponPayer.Stretch(7, int64(uint64(seed % 60e6)) - 20e6);
        stretches[1] = CouponPayer.Stretch(13, int64(uint64((seed >> 64) % 60e6)) - 20e6);
        uint256 sum = 7 * _rate(stretches[0].indexE9) + 13 * _rate(stretches[1].indexE9);
        vm.prank(_issuer);
        try _payer.announceFloating(token, record, record, record - PERIOD, 1e6, stretches) {
            return (sum, 360e9, true);
        } catch {
            return (sum, 360e9, false);
        }
    }

    function _rate(int64 indexE9) private pure returns (uint256) {
        return indexE9 + 1e6 > 0 ? uint64(indexE9 + 1e6) : 0;
    }
}
