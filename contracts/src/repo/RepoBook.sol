// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {CouponPayer} from "../life/CouponPayer.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {ISecurityLife} from "../interfaces/ISecurityLife.sol";
import {SecurityToken} from "../SecurityToken.sol";
import {Settlement} from "../Settlement.sol";
import {OwnEntries} from "../settlement/OwnEntries.sol";
import {Custody} from "./Custody.sol";
import {MarginRule} from "./RepoTerms.sol";

/// @title RepoBook
/// @notice What a repo is while it runs, and its arithmetic: days, interest, mark, margin.
/// @dev I11. See RepoFacility for units, roundings and days.
abstract contract RepoBook is Custody, OwnEntries {
    enum Status {
        None,
        Open,
        Repurchased,
        ClosedOut
    }

    struct Repo {
        address lender;
        uint64 rateE9;
        uint32 acts;
        address borrower;
        uint64 marginE9;
        MarginRule marginRule;
        Status status;
        SecurityToken token;
        uint64 start;
        uint32 callSeconds;
        uint64 end;
        uint64 accruedTo;
        uint64 callDeadline;
        uint256 face;
        uint256 principal;
        uint256 accruedE9Days;
        uint256 shortfall;
    }

    error RepoNotOpen(bytes32 repoId, Status status);
    error CollateralIneligible(address token, uint64 maturity, uint64 end);
    error CollateralShort(uint256 lendable, uint256 exposure);
    error NotToday(uint64 asOf);
    error NobodyToFollow(bytes32 repoId);

    /// @notice A party's wallet was recovered: these are the parties now.
    event RepoFollowed(bytes32 indexed repoId, address lender, address borrower);

    /// @dev Longest repo, in days.
    uint256 internal constant LONGEST_DAYS = 731;

    uint256 internal constant E9 = 1e9;
    uint256 private constant PAR_E6 = 100e6;
    uint256 internal constant PRICE_UNIT = 1e8;
    uint256 private constant YEAR_E9 = 360e9;

    /// @notice Who knows prices.
    IPriceOracle public immutable oracle;

    mapping(bytes32 repoId => Repo) internal _repos;

    constructor(
        Settlement settlement_,
        IERC20 cash_,
        CouponPayer couponPayer_,
        IPriceOracle oracle_
    ) Custody(cash_, couponPayer_) OwnEntries(settlement_) {
        oracle = oracle_;
    }

    /// @notice A repo as it stands.
    function repoOf(bytes32 repoId) external view returns (Repo memory) {
        return _repos[repoId];
    }

    /// @notice Outstanding cash and interest at a New York midnight that is not before the last change.
    function exposureOf(bytes32 repoId, uint64 asOf) public view returns (uint256 principal, uint256 interest) {
        Repo storage repo = _repos[repoId];
        principal = repo.principal;
        interest = _interest(repo, asOf);
    }

    /// @notice Mark, exposure, and what can be lent on the collateral. Reverts if the price is missing or stale.
    function coverageOf(
        bytes32 repoId,
        uint64 asOf
    ) public view returns (uint256 priceE6, uint256 exposure, uint256 lendable) {
        Repo storage repo = _opened(repoId);
        priceE6 = priceOf(repo.token);
        (exposure, lendable) = _coverage(repo, priceE6, asOf);
    }

    /// @notice Puts the successor of a recovered wallet in its place as lender or borrower. Anyone may.
    function follow(bytes32 repoId) external {
        if (!_follow(repoId, _repos[repoId])) revert NobodyToFollow(repoId);
    }

    /// @notice What 100 of face of a security count as collateral, 10^-6: dirty at the oracle, and from its maturity or
    /// call on what it is redeemed for.
    /// @dev Reverts if the price is missing or stale.
    function priceOf(SecurityToken token) public view returns (uint256 priceE6) {
        ISecurityLife life = couponPayer.life();
        if (block.timestamp < life.endOf(address(token))) return _oraclePrice(token.assetId());
        return life.redemptionCash(address(token), PAR_E6);
    }

    /// @dev A repo's coupons are its borrower's.
    function _beneficiaryOf(bytes32 account) internal view override returns (address) {
        address borrower = _repos[account].borrower;
        return borrower == address(0) ? address(uint160(uint256(account))) : borrower;
    }

    /// @dev Collateral is registered, has a fresh price and matures after the repo's end.
    function _eligiblePrice(SecurityToken token, uint64 end) internal view returns (uint256 priceE6) {
        priceE6 = _oraclePrice(settlement.assetRegistry().assetIdOf(address(token)));
        uint64 maturity = token.maturity();
        if (maturity <= end) revert CollateralIneligible(address(token), maturity, end);
    }

    /// @dev A price from before a coupon date counts clean from that date on, for the coupon is the borrower's.
    function _oraclePrice(bytes32 cusip) private view returns (uint256) {
        IPriceOracle.Price memory found = oracle.price(cusip);
        bool paid = found.nextCoupon != 0 && block.timestamp >= found.nextCoupon;
        return paid ? found.cleanE6 : found.cleanE6 + found.accruedE6;
    }

    function _requireCovered(Repo storage repo, uint256 priceE6, uint64 asOf) internal view {
        (uint256 exposure, uint256 lendable) = _coverage(repo, priceE6, asOf);
        if (lendable < exposure) revert CollateralShort(lendable, exposure);
    }

    function _coverage(Repo storage repo, uint256 priceE6, uint64 asOf) private view returns (uint256, uint256) {
        return (repo.principal + _interest(repo, asOf), _lendable(repo, priceE6));
    }

    /// @dev Market value (face x price / 100) after the repo's own margin rule, rounded down once.
    function _lendable(Repo storage repo, uint256 priceE6) internal view returns (uint256) {
        uint256 worth = repo.face * priceE6;
        if (repo.marginRule == MarginRule.Haircut) return Math.mulDiv(worth, E9 - repo.marginE9, PRICE_UNIT * E9);
        return Math.mulDiv(worth, E9, PRICE_UNIT * repo.marginE9);
    }

    function _interest(Repo storage repo, uint64 asOf) internal view returns (uint256) {
        return (_accruedE9Days(repo, asOf) + YEAR_E9 / 2) / YEAR_E9;
    }

    /// @dev An interval ends: what is outstanding changes.
    function _accrue(Repo storage repo, uint64 asOf) internal {
        (repo.accruedE9Days, repo.accruedTo) = (_accruedE9Days(repo, asOf), asOf);
    }

    function _accruedE9Days(Repo storage repo, uint64 asOf) private view returns (uint256) {
        return repo.accruedE9Days + repo.principal * repo.rateE9 * _days(repo.accruedTo, asOf);
    }

    function _changeFace(bytes32 repoId, Repo storage repo, uint256 face) internal {
        repo.face = face;
        _setHeld(repoId, repo.token, face);
    }

    function _opened(bytes32 repoId) internal view returns (Repo storage repo) {
        repo = _repos[repoId];
        if (repo.status != Status.Open) revert RepoNotOpen(repoId, repo.status);
    }

    /// @dev A repo in which something is done today, by those who stand for its parties now: a lost key agrees to
    /// nothing, and is paid nothing.
    function _acting(bytes32 repoId, uint64 asOf) internal returns (Repo storage repo) {
        repo = _opened(repoId);
        _follow(repoId, repo);
        bool today = asOf <= block.timestamp && block.timestamp - asOf < 1 days;
        if (!today || asOf < repo.accruedTo || !_wholeDays(repo.start, asOf)) revert NotToday(asOf);
    }

    function _follow(bytes32 repoId, Repo storage repo) private returns (bool moved) {
        (address lender, address borrower) = (_currentWallet(repo.lender), _currentWallet(repo.borrower));
        moved = lender != repo.lender || borrower != repo.borrower;
        if (!moved) return moved;
        (repo.lender, repo.borrower) = (lender, borrower);
        emit RepoFollowed(repoId, lender, borrower);
    }

    /// @dev Calendar days between two New York midnights, which are an hour off whole days across a clock change.
    function _days(uint64 first, uint64 last) internal pure returns (uint256) {
        return (uint256(last) - first + 12 hours) / 1 days;
    }

    function _wholeDays(uint64 first, uint64 last) internal pure returns (bool) {
        return (uint256(last) - first + 1 hours) % 1 days <= 2 hours;
    }
}
