// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CouponPayer} from "src/life/CouponPayer.sol";
import {Issuance} from "src/life/Issuance.sol";
import {Redemptions} from "src/life/Redemptions.sol";
import {CashToken} from "src/CashToken.sol";
import {IdentityRegistry} from "src/IdentityRegistry.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {LifeDesk} from "./base/LifeDesk.sol";
import {Test} from "./base/Test.sol";

/// @notice Lets holders trade, freeze, hold and leave the register while coupons and the redemption are paid in any
/// order; keeps books of its own.
contract LifeHandler is Test {
    uint64 private constant PERIOD = 20 days;
    uint256 private constant COUPONS = 3;

    SecurityToken private immutable _token;
    CashToken private immutable _usd;
    CouponPayer private immutable _payer;
    Issuance private immutable _issuance;
    IdentityRegistry private immutable _identities;
    address private immutable _treasury;
    address private immutable _issuer;
    address private immutable _freezer;
    address private immutable _registrar;
    uint64 private immutable _start = uint64(block.timestamp);
    address[3] public holders;
    bytes32[3] private _names;
    bytes32[] private _holds;

    bytes32[] public couponIds;
    mapping(bytes32 => mapping(address => uint256)) public faceAt;
    mapping(bytes32 => mapping(address => uint256)) public paidTo;
    mapping(address => uint256) public redeemedOf;
    uint256 public paidTwice;
    uint256 public intruders;
    uint256 public issued;

    constructor(LifeDesk.World memory world, address[3] memory holders_, bytes32[3] memory names) {
        (_token, _usd, _payer, _issuance) = (world.token, world.usd, world.payer, world.issuance);
        (_identities, _treasury, _issuer) = (world.identities, world.treasury, world.issuer);
        (_freezer, _registrar) = (world.freezer, world.registrar);
        (holders, _names) = (holders_, names);
        issued = world.token.totalSupply();
    }

    function trade(uint8 from, uint8 to, uint256 seed) external {
        (address giver, address taker) = (holders[from % 3], holders[to % 3]);
        uint256 amount = between(seed, 0, _token.availableOf(giver));
        vm.prank(giver);
        try _token.transfer(taker, amount) {} catch {}
    }

    function issueMore(uint8 to, uint64 amount) external {
        vm.prank(_issuer);
        try _token.issue(holders[to % 3], amount) {
            issued += amount;
        } catch {}
    }

    function freeze(uint8 who, uint256 seed) external {
        vm.prank(_freezer);
        _token.setFrozenTokens(holders[who % 3], seed % 2 == 0 ? 0 : seed % 1_000_000);
    }

    function hold(uint8 who, uint256 seed) external {
        address holder = holders[who % 3];
        uint256 free = _token.availableOf(holder);
        if (free == 0) return;
        uint256 amount = between(seed, 1, free);
        vm.prank(holder);
        _holds.push(
            _token.createHold(bytes32(_holds.length), address(this), address(this), amount, type(uint64).max)
        );
    }

    function release(uint256 seed) external {
        if (_holds.length == 0) return;
        try _token.releaseHold(_holds[seed % _holds.length]) {} catch {}
    }

    function register(uint8 who, bool there) external {
        address wallet = holders[who % 3];
        if (there == (_identities.identityOf(wallet) != 0)) return;
        vm.prank(_registrar);
        if (there) _identities.registerWallet(wallet, _names[who % 3]);
        else _identities.removeWallet(wallet);
    }

    /// @dev Time stands still at each record time's last second, so that the model sees the position that counts.
    function pass(uint32 seconds_) external {
        uint256 next = block.timestamp + between(seconds_, 0, 40 days);
        if (couponIds.length < COUPONS) {
            uint64 record = _start + PERIOD * uint64(couponIds.length + 1);
            if (next >= record) {
                vm.warp(record - 1);
                bytes32 id = _payer.couponIdOf(_token, record);
                couponIds.push(id);
                for (uint256 i = 0; i < 3; ++i) faceAt[id][holders[i]] = _token.balanceOf(holders[i]);
                vm.prank(_issuer);
                _payer.announce(_token, record, record + 1 days, uint128(couponIds.length), 97);
                next = record;
            }
        }
        vm.warp(next);
    }

    function fund(uint256 seed) external {
        if (couponIds.length == 0) return;
        vm.prank(_treasury);
        try _payer.fund(couponIds[seed % couponIds.length]) {} catch {}
    }

    function pay(uint256 seed, uint8 first, uint8 second) external {
        if (couponIds.length == 0) return;
        bytes32 id = couponIds[seed % couponIds.length];
        address[] memory batch = new address[](2);
        (batch[0], batch[1]) = (holders[first % 3], holders[second % 3]);
        uint256[3] memory before;
        for (uint256 i = 0; i < 3; ++i) before[i] = _usd.balanceOf(holders[i]);
        try _payer.pay(id, batch) {
            for (uint256 i = 0; i < 3; ++i) {
                uint256 got = _usd.balanceOf(holders[i]) - before[i];
                if (got != 0 && paidTo[id][holders[i]] != 0) ++paidTwice;
                paidTo[id][holders[i]] += got;
            }
        } catch {}
    }

    function openRedemption() external {
        vm.prank(_issuer);
        try _issuance.openRedemption(_token, _token.maturity(), _treasury) {} catch {}
    }

    function fundRedemption(uint256 seed) external {
        uint256 funds = _issuance.redemptionOf(address(_token)).funds;
        uint256 supply = _token.totalSupply();
        if (supply <= funds) return;
        vm.prank(_treasury);
        try _issuance.fundRedemption(_token, seed % 4 == 0 ? between(seed, 1, supply - funds) : supply - funds) {} catch {}
    }

    /// @dev Whoever is not the payer takes no part, not even with nothing.
    function fundRedemptionBy(uint8 who, uint256 seed) external {
        vm.prank(holders[who % 3]);
        try _issuance.fundRedemption(_token, seed % 3) {
            ++intruders;
        } catch {}
    }

    function redeem(uint8 first, uint8 second) external {
        address[] memory batch = new address[](2);
        (batch[0], batch[1]) = (holders[first % 3], holders[second % 3]);
        uint256[3] memory before;
        for (uint256 i = 0; i < 3; ++i) before[i] = _token.balanceOf(holders[i]);
        try _issuance.redeem(_token, batch) {
            for (uint256 i = 0; i < 3; ++i) redeemedOf[holders[i]] += before[i] - _token.balanceOf(holders[i]);
        } catch {}
    }

    function couponCount() external view returns (uint256) {
        return couponIds.length;
    }
}

/// @notice I9 and I10, whatever happens in between.
contract LifeInvariantTest is LifeDesk {
    LifeHandler private _handler;

    function setUp() public override {
        super.setUp();
        security = createMaturing("912797ZZ1", START + 65 days);
        issue(security, alice, 1_000_003);
        issue(security, bob, 17);
        issue(security, carol, 777_777_777);
        World memory world = World(security, usd, payer, issuance, identities, treasury, issuer, freezer, registrar);
        _handler = new LifeHandler(world, [alice, bob, carol], [bytes32("alice"), "bob", "carol"]);
        targetContract(address(_handler));
    }

    function _holders() private view returns (address[3] memory) {
        return [alice, bob, carol];
    }

    /// @notice I9: each holder gets floor(position at record x fraction), once or not yet; the position is the one of
    /// the last second before the record time.
    function invariant_I9_each_holder_is_paid_his_share_once() public view {
        assertEq(_handler.paidTwice(), 0, "I9: paid twice");
        for (uint256 c = 0; c < _handler.couponCount(); ++c) {
            bytes32 id = _handler.couponIds(c);
            for (uint256 i = 0; i < 3; ++i) {
                address holder = _holders()[i];
                uint256 share = (_handler.faceAt(id, holder) * (c + 1)) / 97;
                uint256 expected = payer.isPaid(id, holder) ? share : 0;
                assertEq(_handler.paidTo(id, holder), expected, "I9: share");
            }
        }
    }

    /// @notice I9: what was funded is paid, unpaid, or dust of less than one unit a holder; nothing else is here.
    function invariant_I9_paid_and_unpaid_are_what_was_funded() public view {
        uint256 kept = 0;
        for (uint256 c = 0; c < _handler.couponCount(); ++c) {
            bytes32 id = _handler.couponIds(c);
            CouponPayer.Coupon memory coupon = payer.couponOf(id);
            if (coupon.payer == address(0)) continue;
            uint256 face = 0;
            uint256 unpaid = 0;
            uint256 paid = 0;
            for (uint256 i = 0; i < 3; ++i) {
                address holder = _holders()[i];
                face += _handler.faceAt(id, holder);
                paid += _handler.paidTo(id, holder);
                if (!payer.isPaid(id, holder)) unpaid += (_handler.faceAt(id, holder) * (c + 1)) / 97;
            }
            assertEq(coupon.faceAtRecord, face, "I9: face");
            assertEq(coupon.due, (face * (c + 1)) / 97, "I9: rate x face");
            assertEq(coupon.paid, paid, "I9: paid");
            assertTrue(coupon.due - paid - unpaid < 3, "I9: dust is less than one unit a holder");
            assertTrue(!coupon.closed || unpaid == 0, "I9: closed means that nobody is left");
            if (!coupon.closed) kept += coupon.due - coupon.paid;
        }
        assertEq(usd.balanceOf(address(payer)), kept, "I9: cash of the payer contract");
    }

    /// @notice I10: redeemed + outstanding = issued, in total and in cash.
    function invariant_I10_redeemed_and_outstanding_are_what_was_issued() public view {
        uint256 redeemed = 0;
        uint256 blocked = issuance.blockedOf("alice") + issuance.blockedOf("bob") + issuance.blockedOf("carol");
        for (uint256 i = 0; i < 3; ++i) redeemed += _handler.redeemedOf(_holders()[i]);
        Redemptions.Redemption memory redemption = issuance.redemptionOf(address(security));
        assertEq(redemption.redeemed, redeemed, "I10: redeemed");
        assertEq(_handler.intruders(), 0, "only the payer funds");
        assertEq(redeemed + security.totalSupply(), _handler.issued(), "I10");
        assertEq(usd.balanceOf(address(issuance)), redemption.funds + blocked, "I10: cash of the issuance contract");
    }
}
