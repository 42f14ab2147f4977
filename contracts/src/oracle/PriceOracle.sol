// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {Accrual, Schedule} from "./Accrual.sol";
import {Quote, Round, RoundHash} from "./Round.sol";

/// @title PriceOracle
/// @notice Prices per CUSIP in rounds that k of n pricers sign. Anyone may publish a signed round.
/// @dev Round ids strictly increase; market date and observation never go back. The interval and the largest move
/// are per CUSIP, so a market may be published in several rounds. A price that moves by more than the largest move, or
/// terms that change, need the higher quorum: a second opinion in the same round, no pending state. Pricers are keys
/// (ECDSA), not contracts.
contract PriceOracle is IPriceOracle, EIP712, AccessManaged {
    using SafeCast for uint256;

    /// @dev Two slots a security. The first is all that a limit asks but for the accrual.
    struct Mark {
        uint64 cleanE6;
        int64 yieldE9;
        uint32 durationE6;
        uint40 maturity;
        uint8 rating;
        uint40 roundId;
        Schedule schedule;
    }

    struct Head {
        uint64 id;
        uint64 marketDate;
        uint64 observedAt;
    }

    /// @notice The rules of rounds.
    /// @param quorum Signatures a round needs.
    /// @param confirmQuorum Signatures it needs if a price moves by more than `maxMoveBp` or terms change.
    /// @param maxMoveBp Largest change of a clean price from its last one, bp of that one.
    /// @param interval Least seconds between two observations of a security.
    /// @param maxAge Seconds after its observation during which a price may be used.
    struct Rules {
        uint8 quorum;
        uint8 confirmQuorum;
        uint16 maxMoveBp;
        uint32 interval;
        uint32 maxAge;
    }

    event RulesSet(uint8 quorum, uint8 confirmQuorum, uint16 maxMoveBp, uint32 interval, uint32 maxAge);
    event PricersSet(address[] pricers);
    event RoundPublished(
        uint64 indexed id,
        uint64 marketDate,
        uint64 observedAt,
        bytes32 roundHash,
        Quote[] quotes,
        address[] signers
    );

    error InvalidRules(uint8 quorum, uint8 confirmQuorum, uint256 pricers);
    error InvalidPricer(address pricer);
    error EmptyRound();
    error TooManyQuotes(uint256 quotes, uint256 most);
    error RoundNotNewer(uint64 id, uint64 last);
    error MarketDateWentBack(uint64 marketDate, uint64 last);
    error ObservationWentBack(uint64 observedAt, uint64 last);
    error ObservedInFuture(uint64 observedAt);
    error ObservedBeforeMarketDate(uint64 observedAt, uint64 marketDate);
    error RoundTooOld(uint64 observedAt, uint64 maxAge);
    error QuotesNotSorted(uint256 quote);
    error InvalidQuote(bytes32 cusip);
    error TooSoon(bytes32 cusip, uint64 earliest);
    error PriceMoveTooLarge(bytes32 cusip, uint64 lastE6, uint64 nowE6, uint16 maxMoveBp, uint8 confirmQuorum);
    error TermsChanged(bytes32 cusip, uint8 confirmQuorum);
    error QuorumMissing(uint256 signatures, uint8 quorum);
    error NotAPricer(address signer);
    error SignersNotSorted(uint256 signature);

    /// @notice Most quotes of a round: a first round of that many fits a quarter of 2^24 gas.
    uint256 public constant MAX_QUOTES = 64;

    /// @notice Most pricers.
    uint256 public constant MAX_PRICERS = 16;

    /// @notice The last round.
    Head public head;

    Rules private _rules;
    address[] private _pricers;
    mapping(address account => bool) private _isPricer;
    mapping(bytes32 cusip => Mark) private _marks;
    mapping(uint256 roundId => Head) private _rounds;

    constructor(address authority_) EIP712("tbill_defi PriceOracle", "1") AccessManaged(authority_) {
        _rules = Rules(1, 1, 300, 60, 4 days);
    }

    // --- who and how --------------------------------------------------------------------------------------------

    /// @notice Replaces the pricers and both quorums at once.
    /// @param signers The pricers, strictly ascending.
    function setPricers(address[] calldata signers, uint8 quorum, uint8 confirmQuorum) external restricted {
        if (quorum == 0 || confirmQuorum < quorum || confirmQuorum > signers.length || signers.length > MAX_PRICERS) {
            revert InvalidRules(quorum, confirmQuorum, signers.length);
        }
        for (uint256 i = 0; i < _pricers.length; ++i) _isPricer[_pricers[i]] = false;
        for (uint256 i = 0; i < signers.length; ++i) {
            if (signers[i] <= (i == 0 ? address(0) : signers[i - 1])) revert InvalidPricer(signers[i]);
            _isPricer[signers[i]] = true;
        }
        _pricers = signers;
        (_rules.quorum, _rules.confirmQuorum) = (quorum, confirmQuorum);
        emit PricersSet(signers);
        _announceRules();
    }

    /// @notice Sets the largest unconfirmed move (bp), the least interval and the age (seconds) of a usable price.
    function setRules(uint16 maxMoveBp, uint32 interval, uint32 maxAge) external restricted {
        (_rules.maxMoveBp, _rules.interval, _rules.maxAge) = (maxMoveBp, interval, maxAge);
        _announceRules();
    }

    /// @notice The rules.
    function rules() external view returns (Rules memory) {
        return _rules;
    }

    /// @notice Who signs rounds, ascending.
    function pricers() external view returns (address[] memory) {
        return _pricers;
    }

    /// @inheritdoc IPriceOracle
    function isPricer(address account) external view returns (bool) {
        return _isPricer[account];
    }

    // --- rounds -------------------------------------------------------------------------------------------------

    /// @notice Takes a round over if enough pricers signed exactly this one.
    /// @param signatures Of distinct pricers, in ascending order of their addresses.
    function publish(Round calldata round, bytes[] calldata signatures) external {
        Rules memory rule = _rules;
        _requireNext(round, rule);
        bytes32 roundHash = hashRound(round);
        address[] memory signers = _signers(roundHash, signatures);
        if (signers.length < rule.quorum) revert QuorumMissing(signers.length, rule.quorum);
        bool confirmed = signers.length >= rule.confirmQuorum;
        bytes32 last;
        for (uint256 i = 0; i < round.quotes.length; ++i) {
            Quote calldata quote = round.quotes[i];
            if (quote.cusip <= last) revert QuotesNotSorted(i);
            last = quote.cusip;
            _requireSound(quote, round.marketDate);
            _requirePlausible(quote, round.observedAt, rule, confirmed);
            _write(quote, round.id);
        }
        head = Head(round.id, round.marketDate, round.observedAt);
        _rounds[round.id] = head;
        emit RoundPublished(round.id, round.marketDate, round.observedAt, roundHash, round.quotes, signers);
    }

    /// @notice The EIP-712 digest that pricers sign.
    function hashRound(Round calldata round) public view returns (bytes32) {
        return _hashTypedDataV4(RoundHash.structHash(round));
    }

    // --- prices -------------------------------------------------------------------------------------------------

    /// @inheritdoc IPriceOracle
    function dirtyPrice(bytes32 cusip) external view returns (uint256 priceE6per100, uint64 observedAt) {
        (Mark storage mark, Head memory round) = _fresh(cusip);
        return (mark.cleanE6 + Accrual.accruedE6(mark.schedule, round.marketDate), round.observedAt);
    }

    /// @inheritdoc IPriceOracle
    function price(bytes32 cusip) external view returns (Price memory) {
        (Mark storage mark, Head memory round) = _fresh(cusip);
        return _price(mark, round);
    }

    /// @inheritdoc IPriceOracle
    function lastPrice(bytes32 cusip) external view returns (Price memory) {
        (Mark storage mark, Head memory round) = _known(cusip);
        return _price(mark, round);
    }

    /// @inheritdoc IPriceOracle
    function accruedInterest(bytes32 cusip, uint64 settlement) external view returns (uint256 accruedE6) {
        (Mark storage mark, ) = _fresh(cusip);
        return Accrual.accruedE6(mark.schedule, settlement);
    }

    /// @inheritdoc IPriceOracle
    function measures(bytes32[] calldata cusips) external view returns (Measure[] memory found) {
        found = new Measure[](cusips.length);
        for (uint256 i = 0; i < cusips.length; ++i) {
            (Mark storage mark, Head memory round) = _fresh(cusips[i]);
            found[i] = Measure(
                (mark.cleanE6 + Accrual.accruedE6(mark.schedule, round.marketDate)).toUint64(),
                mark.yieldE9,
                mark.durationE6,
                mark.maturity,
                mark.rating,
                round.observedAt
            );
        }
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _announceRules() private {
        Rules memory rule = _rules;
        emit RulesSet(rule.quorum, rule.confirmQuorum, rule.maxMoveBp, rule.interval, rule.maxAge);
    }

    /// @dev The round is newer than the last one in every respect, and neither from the future nor outdated.
    function _requireNext(Round calldata round, Rules memory rule) private view {
        if (round.quotes.length == 0) revert EmptyRound();
        if (round.quotes.length > MAX_QUOTES) revert TooManyQuotes(round.quotes.length, MAX_QUOTES);
        Head memory last = head;
        if (round.id <= last.id || round.id > type(uint40).max) revert RoundNotNewer(round.id, last.id);
        if (round.marketDate < last.marketDate) revert MarketDateWentBack(round.marketDate, last.marketDate);
        if (round.observedAt < last.observedAt) revert ObservationWentBack(round.observedAt, last.observedAt);
        if (round.observedAt > block.timestamp) revert ObservedInFuture(round.observedAt);
        if (round.observedAt < round.marketDate) revert ObservedBeforeMarketDate(round.observedAt, round.marketDate);
        if (block.timestamp - round.observedAt > rule.maxAge) revert RoundTooOld(round.observedAt, rule.maxAge);
    }

    function _signers(bytes32 roundHash, bytes[] calldata signatures) private view returns (address[] memory signers) {
        signers = new address[](signatures.length);
        for (uint256 i = 0; i < signatures.length; ++i) {
            signers[i] = ECDSA.recoverCalldata(roundHash, signatures[i]);
            if (i != 0 && signers[i] <= signers[i - 1]) revert SignersNotSorted(i);
            if (!_isPricer[signers[i]]) revert NotAPricer(signers[i]);
        }
    }

    /// @dev A quote that contradicts itself or does not fit its slots is refused.
    function _requireSound(Quote calldata quote, uint64 marketDate) private pure {
        bool sound = quote.cleanE6 != 0 && quote.maturity > marketDate && quote.maturity <= type(uint40).max;
        if (quote.couponE9 == 0) {
            sound =
                sound &&
                quote.accrualStart | quote.priorCoupon | quote.previousCoupon | quote.nextCoupon == 0;
        } else {
            sound =
                sound &&
                quote.couponE9 < 10 ** 9 &&
                quote.accrualStart <= marketDate &&
                quote.previousCoupon <= marketDate &&
                quote.nextCoupon > marketDate &&
                quote.nextCoupon <= quote.maturity &&
                (quote.priorCoupon == 0 ||
                    (quote.priorCoupon <= quote.accrualStart && quote.accrualStart < quote.previousCoupon));
        }
        if (!sound) revert InvalidQuote(quote.cusip);
    }

    /// @dev Against the last price of the same security: not too soon, not too far, the same terms.
    function _requirePlausible(
        Quote calldata quote,
        uint64 observedAt,
        Rules memory rule,
        bool confirmed
    ) private view {
        Mark storage mark = _marks[quote.cusip];
        uint64 last = mark.cleanE6;
        if (last == 0) return;
        uint64 earliest = _rounds[mark.roundId].observedAt + rule.interval;
        if (observedAt < earliest) revert TooSoon(quote.cusip, earliest);
        if (confirmed) return;
        if (mark.maturity != quote.maturity || mark.schedule.couponE9 != quote.couponE9) {
            revert TermsChanged(quote.cusip, rule.confirmQuorum);
        }
        uint256 move = quote.cleanE6 > last ? quote.cleanE6 - last : last - quote.cleanE6;
        if (move * 10_000 > uint256(last) * rule.maxMoveBp) {
            revert PriceMoveTooLarge(quote.cusip, last, quote.cleanE6, rule.maxMoveBp, rule.confirmQuorum);
        }
    }

    function _write(Quote calldata quote, uint64 roundId) private {
        _marks[quote.cusip] = Mark(
            quote.cleanE6,
            quote.yieldE9,
            quote.durationE6,
            uint40(quote.maturity),
            quote.rating,
            uint40(roundId),
            Schedule(
                uint32(quote.couponE9),
                uint40(quote.accrualStart),
                uint40(quote.priorCoupon),
                uint40(quote.previousCoupon),
                uint40(quote.nextCoupon)
            )
        );
    }

    function _known(bytes32 cusip) private view returns (Mark storage mark, Head memory round) {
        mark = _marks[cusip];
        if (mark.cleanE6 == 0) revert PriceMissing(cusip);
        round = _rounds[mark.roundId];
    }

    function _fresh(bytes32 cusip) private view returns (Mark storage mark, Head memory round) {
        (mark, round) = _known(cusip);
        uint64 maxAge = _rules.maxAge;
        if (block.timestamp > round.observedAt + maxAge) revert StalePrice(cusip, round.observedAt, maxAge);
    }

    function _price(Mark storage mark, Head memory round) private view returns (Price memory) {
        Schedule memory schedule = mark.schedule;
        return
            Price(
                mark.cleanE6,
                Accrual.accruedE6(schedule, round.marketDate).toUint64(),
                mark.yieldE9,
                mark.durationE6,
                mark.maturity,
                mark.rating,
                schedule.couponE9,
                schedule.accrualStart,
                schedule.priorCoupon,
                schedule.previousCoupon,
                schedule.nextCoupon,
                round.id,
                round.marketDate,
                round.observedAt
            );
    }
}
