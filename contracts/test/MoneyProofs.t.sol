// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IIdentityRegistry} from "../src/interfaces/IIdentityRegistry.sol";
import {IPriceOracle} from "../src/interfaces/IPriceOracle.sol";
import {ISecurityLife} from "../src/interfaces/ISecurityLife.sol";
import {CouponPayer} from "../src/life/CouponPayer.sol";
import {RepoBook} from "../src/repo/RepoBook.sol";
import {SecurityToken} from "../src/SecurityToken.sol";
import {Settlement} from "../src/Settlement.sol";
import {OpenRules} from "./doubles/OpenRules.sol";
import {TwoHolders} from "./doubles/TwoHolders.sol";
import {Vm} from "./base/Vm.sol";

/// @notice Dollars for whoever asks.
contract FreeCash is ERC20("Dollar", "USD") {
    function issue(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice A repo's arithmetic alone.
contract RepoSums is RepoBook {
    constructor() RepoBook(Settlement(address(0)), IERC20(address(0)), CouponPayer(address(0)), IPriceOracle(address(0))) {}

    function begin(bytes32 id, uint256 principal, uint64 rateE9, uint64 start) external {
        Repo storage repo = _repos[id];
        (repo.principal, repo.rateE9, repo.accruedTo) = (principal, rateE9, start);
    }

    function change(bytes32 id, uint256 principal, uint64 asOf) external {
        _accrue(_repos[id], asOf);
        _repos[id].principal = principal;
    }

    function daysOf(uint64 first, uint64 last) external pure returns (uint256, bool) {
        return (_days(first, last), _wholeDays(first, last));
    }

    function _refuse(bytes32) internal pure override {}
}

/// @notice Arithmetic of coupons and repos.
contract MoneyProofs {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);
    uint64 private constant DAY = 1_780_000_000;

    FreeCash private _cash;
    TwoHolders private _token;
    CouponPayer private _payer;
    RepoSums private _repos;

    function setUp() public {
        address open = address(new OpenRules());
        _cash = new FreeCash();
        _token = new TwoHolders();
        _payer = new CouponPayer(open, _cash, IIdentityRegistry(open), ISecurityLife(open));
        _repos = new RepoSums();
        _cash.issue(address(this), 1e30);
        _cash.approve(address(_payer), type(uint256).max);
        vm.warp(DAY);
    }

    /// @notice I9: two holders are paid their floors, what was funded is paid, and the dust that goes back is less than a
    /// unit a holder. Of one fraction: for any, a solver finds no answer, and the fuzz tests stand for them.
    function check_I9_coupon(uint48 first, uint48 second) public {
        if (first == 0 || second == 0) return;
        (uint128 numerator, uint128 denominator) = (5, 256);
        _token.set(first, second);
        bytes32 id = _payer.announce(SecurityToken(address(_token)), DAY, DAY, numerator, denominator);
        uint256 before = _cash.balanceOf(address(this));
        _mustPass(abi.encodeCall(_payer.fund, (id)));
        uint256 due = before - _cash.balanceOf(address(this));
        address[] memory holders = new address[](2);
        (holders[0], holders[1]) = (ALICE, BOB);
        _mustPass(abi.encodeCall(_payer.pay, (id, holders)));
        assert(_cash.balanceOf(ALICE) == (uint256(first) * numerator) / denominator);
        assert(_cash.balanceOf(BOB) == (uint256(second) * numerator) / denominator);
        uint256 dust = due - _cash.balanceOf(ALICE) - _cash.balanceOf(BOB);
        assert(dust < 2 && _cash.balanceOf(address(_payer)) == 0);
        assert(_cash.balanceOf(address(this)) == before - due + dust);
    }

    /// @dev What reverts shows nothing: a proof in which the payer did would be none.
    function _mustPass(bytes memory data) private {
        (bool passed, ) = address(_payer).call(data);
        assert(passed);
    }

    /// @notice I11: days between New York midnights are calendar days, whatever clock change lies between them.
    function check_I11_days(uint8 count, uint16 shift) public view {
        vm.assume(count > 0 && shift <= 2 hours);
        (uint256 found, bool whole) = _repos.daysOf(DAY, DAY + uint64(count) * 1 days + shift - 1 hours);
        assert(found == count && whole);
    }

    /// @notice I11: interest is the sum over intervals of cash x rate x days / 360, rounded half up once, not for each.
    function check_I11_interest(uint64 first, uint64 second, uint40 rate, uint32 before, uint32 later) public {
        (uint64 changed, uint64 end) = (DAY + before, DAY + before + later);
        _repos.begin("repo", first, rate, DAY);
        _repos.change("repo", second, changed);
        (uint256 principal, uint256 interest) = _repos.exposureOf("repo", end);
        uint256 exact = uint256(first) * rate * _daysOf(DAY, changed) + uint256(second) * rate * _daysOf(changed, end);
        assert(principal == second && interest == (exact + 180e9) / 360e9);
    }

    function _daysOf(uint64 first, uint64 last) private view returns (uint256 found) {
        (found, ) = _repos.daysOf(first, last);
    }
}
