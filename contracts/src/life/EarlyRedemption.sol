// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IAssetRegistry} from "../interfaces/IAssetRegistry.sol";
import {ICompliance} from "../interfaces/ICompliance.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {ISecurityLife} from "../interfaces/ISecurityLife.sol";
import {Custody} from "../repo/Custody.sol";
import {SecurityToken} from "../SecurityToken.sol";
import {CouponPayer} from "./CouponPayer.sol";

/// @title EarlyRedemption
/// @notice A queue per security in which holders ask to be redeemed before it ends: first come, first served, up to a
/// face a day.
/// @dev Units asked for lie here (see Custody: coupons are passed on to who asked) until they are struck or given back,
/// so a request can neither be made twice with the same units nor fail for want of them. A dealing day goes from one
/// cut-off to the next. What was asked before it is struck on it, at the window's own price or at the oracle's dirty
/// price (clean and accrued interest) that was observed on it; in part, a multiple of the denomination, where the day's
/// limit or the payer's cash ends, and the rest at the price of a later day. So nobody who asks knows his price, and
/// nobody who knows it leaves: a request is final from its cut-off on. Its holder, or who stands for him since his
/// wallet was recovered, may still leave at the next one, until which the rest can be struck; at once while nothing can
/// be struck at all: the window is closed, the security paused, in default or ended. A request is struck by no other
/// price and cut-offs than it was made under. Nor does the payer take cash away from who waits for the day's price.
/// Requests are a linked list: a cancelled one leaves nothing behind that a strike would have to step over. A request
/// has a least face, a holder a greatest number of them, a strike a greatest number of steps; a holder who cannot be
/// paid is given his units back and stops nobody.
contract EarlyRedemption is Custody, AccessManaged, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev `priceE6` is all that is paid per 100 face; 0: the oracle's dirty price. `opensAt` is a New York midnight;
    /// the first cut-off is `cutOff` seconds later, less than a day, and then there is one every 24 hours.
    struct Terms {
        uint64 opensAt;
        uint64 closesAt;
        address payer;
        uint88 minimumFace;
        uint88 dailyFace;
        uint64 priceE6;
        uint32 cutOff;
    }

    /// @dev `struckOfDay` is of the dealing day that starts at `day`: terms that change do not begin it again. `series`
    /// counts changes of the price and of cut-offs.
    struct Queue {
        bytes32 first;
        bytes32 last;
        uint256 funds;
        uint256 day;
        uint256 struckOfDay;
        uint32 series;
    }

    /// @dev `leavesAt` is the cut-off from which it can no longer be struck; 0: its holder has not asked to leave.
    struct Request {
        address holder;
        uint64 madeAt;
        uint32 series;
        SecurityToken token;
        uint88 face;
        bytes32 before;
        bytes32 next;
        uint64 leavesAt;
    }

    event WindowSet(address indexed token, Terms terms);
    event WindowFunded(address indexed token, address indexed payer, uint256 amount);
    event FundsWithdrawn(address indexed token, address indexed payer, uint256 amount);
    event EarlyRedemptionRequested(
        bytes32 indexed requestId,
        address indexed token,
        address indexed holder,
        uint256 face
    );
    event EarlyRedemptionStruck(
        bytes32 indexed requestId,
        address indexed token,
        address indexed holder,
        uint256 face,
        uint256 paid,
        uint256 priceE6
    );

    /// @notice The holder of a final request leaves; until then what is left of it can be struck.
    event EarlyRedemptionRevoked(bytes32 indexed requestId, address indexed holder, uint64 leavesAt);

    /// @notice The request is over; units that were not struck went back, or wait in the holder's name (`collect`).
    event EarlyRedemptionEnded(bytes32 indexed requestId, address indexed holder, uint256 returned);

    error InvalidWindow(address token);
    error WindowHasFunds(address token, uint256 funds);
    error WindowNotOpen(address token, uint64 opensAt, uint64 closesAt);
    error SecurityEnded(address token, uint64 end);
    error SecurityInDefault(address token, bytes32 evidenceHash);
    error NotWindowPayer(address token, address payer);
    error FundsExceeded(address token, uint256 funds, uint256 amount);
    error RequestTooSmall(uint256 face, uint256 minimumFace);
    error TooManyRequests(address holder, uint256 most);
    error RequestUnknown(bytes32 requestId);
    error RequestFinal(bytes32 requestId, uint64 leavesAt);
    error RequestsWait(address token, bytes32 requestId);
    error NotRequestHolder(bytes32 requestId, address holder);
    error StepsOutOfRange(uint256 steps, uint256 most);

    /// @notice Open requests of one holder in one security.
    uint256 public constant MOST_REQUESTS = 8;

    /// @notice Requests that one strike looks at.
    uint256 public constant MOST_STEPS = 20;
    uint256 private constant PRICE_UNIT = 1e8;
    uint256 private constant HIGHEST_PRICE_E6 = 1_000e6;

    /// @notice Who knows prices.
    IPriceOracle public immutable oracle;

    /// @notice Whose wallets are registered.
    IIdentityRegistry public immutable identityRegistry;

    mapping(SecurityToken token => Terms) private _terms;
    mapping(SecurityToken token => Queue) private _queues;

    /// @notice How many requests of a holder wait in a security's queue.
    mapping(SecurityToken token => mapping(address holder => uint256)) public openRequests;
    mapping(bytes32 requestId => Request) private _requests;
    mapping(bytes32 requestId => address) private _beneficiaries;
    uint256 private _made;

    constructor(
        address authority_,
        IERC20 cash_,
        CouponPayer couponPayer_,
        IPriceOracle oracle_,
        IIdentityRegistry identityRegistry_
    ) AccessManaged(authority_) Custody(cash_, couponPayer_) {
        oracle = oracle_;
        identityRegistry = identityRegistry_;
    }

    // --- the window ---------------------------------------------------------------------------------------------

    /// @notice Opens a window, or changes its terms. Where the price or the cut-offs change, what was asked before is
    /// given back: by a strike, or when its holder asks.
    function setWindow(SecurityToken token, Terms calldata terms) external restricted {
        bool sound = terms.opensAt != 0 && terms.opensAt < terms.closesAt && terms.payer != address(0);
        sound = sound && terms.minimumFace != 0 && terms.minimumFace <= terms.dailyFace;
        sound = sound && terms.priceE6 <= HIGHEST_PRICE_E6 && terms.cutOff < 1 days;
        if (!sound) revert InvalidWindow(address(token));
        (Terms storage old, Queue storage queue) = (_terms[token], _queues[token]);
        if (queue.funds != 0 && old.payer != terms.payer) revert WindowHasFunds(address(token), queue.funds);
        bool sameDays = old.opensAt == terms.opensAt && old.cutOff == terms.cutOff;
        if (!sameDays || old.priceE6 != terms.priceE6) ++queue.series;
        _terms[token] = terms;
        emit WindowSet(address(token), terms);
    }

    /// @notice Takes cash that requests are paid from out of the payer's allowance.
    function fund(SecurityToken token, uint256 amount) external {
        _requirePayer(token);
        _queues[token].funds += amount;
        emit WindowFunded(address(token), msg.sender, amount);
        cash.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Gives unspent cash back to the payer; not while somebody is to be struck today, who comes first.
    function withdrawFunds(SecurityToken token, uint256 amount) external {
        _requirePayer(token);
        Queue storage queue = _queues[token];
        uint256 funds = queue.funds;
        if (amount > funds) revert FundsExceeded(address(token), funds, amount);
        if (_isDueToday(token, queue)) revert RequestsWait(address(token), queue.first);
        queue.funds = funds - amount;
        emit FundsWithdrawn(address(token), msg.sender, amount);
        cash.safeTransfer(msg.sender, amount);
    }

    // --- requests -----------------------------------------------------------------------------------------------

    /// @notice Asks for the redemption of a face, which is taken from the caller's allowance, at the end of the queue.
    function request(SecurityToken token, uint88 face) external nonReentrant returns (bytes32 requestId) {
        Terms storage terms = _opened(token);
        if (face < terms.minimumFace) revert RequestTooSmall(face, terms.minimumFace);
        if (openRequests[token][msg.sender] >= MOST_REQUESTS) revert TooManyRequests(msg.sender, MOST_REQUESTS);
        requestId = keccak256(abi.encode(address(this), ++_made));
        Queue storage queue = _queues[token];
        uint64 madeAt = uint64(block.timestamp);
        _requests[requestId] = Request(msg.sender, madeAt, queue.series, token, face, queue.last, 0, 0);
        if (queue.last == 0) queue.first = requestId;
        else _requests[queue.last].next = requestId;
        queue.last = requestId;
        ++openRequests[token][msg.sender];
        _beneficiaries[requestId] = msg.sender;
        _setHeld(requestId, token, face);
        emit EarlyRedemptionRequested(requestId, address(token), msg.sender, face);
        IERC20(token).safeTransferFrom(msg.sender, address(this), face);
    }

    /// @notice Gives back what has not been struck, when its holder asks; of a final request at the next cut-off, when
    /// it is asked again. Anyone may ask for what cannot be struck any more; once the security has ended it is what it
    /// was redeemed for.
    function cancel(bytes32 requestId) external nonReentrant {
        Request storage found = _requests[requestId];
        if (found.holder == address(0)) revert RequestUnknown(requestId);
        address holder = _currentWallet(found.holder);
        bool over = !_stays(found) || block.timestamp >= couponPayer.life().endOf(address(found.token));
        if (msg.sender != holder && !over) revert NotRequestHolder(requestId, holder);
        if (over || !_isOpen(found.token) || found.madeAt >= _dayOf(found.token)) return _giveBack(requestId);
        if (found.leavesAt != 0) revert RequestFinal(requestId, found.leavesAt);
        found.leavesAt = _dayOf(found.token) + 1 days;
        emit EarlyRedemptionRevoked(requestId, holder, found.leavesAt);
    }

    /// @notice Redeems from the front of the queue, at most `steps` requests. Anyone may call it.
    /// @return face What was redeemed.
    function strike(SecurityToken token, uint256 steps) external nonReentrant returns (uint256 face) {
        if (steps == 0 || steps > MOST_STEPS) revert StepsOutOfRange(steps, MOST_STEPS);
        Terms storage terms = _opened(token);
        Queue storage queue = _queues[token];
        uint64 day = _dayOf(token);
        if (day != queue.day) (queue.day, queue.struckOfDay) = (day, 0);
        (uint256 priceE6, uint64 observedAt) = priceOf(token);
        uint256 lot = _registry().denominationOf(address(token));
        for (uint256 i = 0; i < steps && queue.first != 0 && observedAt >= day; ++i) {
            bytes32 requestId = queue.first;
            Request storage found = _requests[requestId];
            bool stays = _stays(found);
            if (stays && found.madeAt >= day) break;
            if (!stays || !_isPayable(_currentWallet(found.holder))) {
                _giveBack(requestId);
                continue;
            }
            uint256 part = _least(found.face, _left(terms.dailyFace, queue.struckOfDay));
            part = _least(part, (queue.funds * PRICE_UNIT) / priceE6);
            if (part != found.face) part -= part % lot; // the rest can be given back, then
            uint256 paid = (part * priceE6) / PRICE_UNIT;
            if (paid == 0) {
                if (part != found.face) break; // the day's limit or the cash is used up
                _giveBack(requestId); // no unit is given for nothing, and none stands in the way of others
                continue;
            }
            queue.struckOfDay += part;
            face += part;
            bool whole = part == found.face;
            _strikeOne(requestId, queue, part, paid, priceE6);
            if (!whole) break;
        }
    }

    /// @notice All that is paid per 100 face, 10^-6, and when it was observed: the window's own price counts as always
    /// observed.
    function priceOf(SecurityToken token) public view returns (uint256 priceE6, uint64 observedAt) {
        uint64 fixedPrice = _terms[token].priceE6;
        if (fixedPrice != 0) return (fixedPrice, type(uint64).max);
        IPriceOracle.Price memory found = oracle.price(token.assetId());
        bool paid = found.nextCoupon != 0 && block.timestamp >= found.nextCoupon;
        return (paid ? found.cleanE6 : found.cleanE6 + found.accruedE6, found.observedAt);
    }

    /// @notice A window's terms, its cash, and the ends of its queue.
    function windowOf(SecurityToken token) external view returns (Terms memory terms, Queue memory queue) {
        return (_terms[token], _queues[token]);
    }

    /// @notice A request as it stands; all zero when it is over.
    function requestOf(bytes32 requestId) external view returns (Request memory) {
        return _requests[requestId];
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _strikeOne(
        bytes32 requestId,
        Queue storage queue,
        uint256 part,
        uint256 paid,
        uint256 priceE6
    ) private {
        Request storage found = _requests[requestId];
        (address holder, SecurityToken token) = (_currentWallet(found.holder), found.token);
        uint256 rest = found.face - part;
        queue.funds -= paid;
        found.face = uint88(rest);
        _setHeld(requestId, token, rest);
        emit EarlyRedemptionStruck(requestId, address(token), holder, part, paid, priceE6);
        if (rest == 0) {
            _unlink(requestId);
            emit EarlyRedemptionEnded(requestId, holder, 0);
        }
        token.redeem(address(this), part);
        cash.safeTransfer(holder, paid);
    }

    function _giveBack(bytes32 requestId) private {
        Request storage found = _requests[requestId];
        (SecurityToken token, uint256 face) = (found.token, found.face);
        address holder = _currentWallet(found.holder);
        _setHeld(requestId, token, 0);
        _unlink(requestId);
        emit EarlyRedemptionEnded(requestId, holder, face);
        _deliver(token, holder, face);
    }

    /// @dev Who asked stays on record as the beneficiary of coupons not yet passed on.
    function _unlink(bytes32 requestId) private {
        Request storage found = _requests[requestId];
        Queue storage queue = _queues[found.token];
        if (found.before == 0) queue.first = found.next;
        else _requests[found.before].next = found.next;
        if (found.next == 0) queue.last = found.before;
        else _requests[found.next].before = found.before;
        --openRequests[found.token][found.holder];
        delete _requests[requestId];
    }

    /// @dev Coupons of units in the queue are for who asked.
    function _beneficiaryOf(bytes32 account) internal view override returns (address) {
        address holder = _beneficiaries[account];
        return holder == address(0) ? address(uint160(uint256(account))) : holder;
    }

    /// @dev Made under the terms of now, and not left.
    function _stays(Request storage found) private view returns (bool) {
        if (found.series != _queues[found.token].series) return false;
        return found.leavesAt == 0 || block.timestamp < found.leavesAt;
    }

    /// @dev The last cut-off, at which the dealing day began. Not before a window opens.
    function _dayOf(SecurityToken token) private view returns (uint64) {
        Terms storage terms = _terms[token];
        return uint64(block.timestamp - ((block.timestamp + 1 days - terms.opensAt - terms.cutOff) % 1 days));
    }

    /// @dev Whether the front of the queue was asked for before today, and the day's limit has room for any of it.
    function _isDueToday(SecurityToken token, Queue storage queue) private view returns (bool) {
        Request storage front = _requests[queue.first];
        if (queue.first == 0 || !_isOpen(token) || front.madeAt >= _dayOf(token)) return false;
        uint256 left = _left(_terms[token].dailyFace, queue.day == _dayOf(token) ? queue.struckOfDay : 0);
        return left >= _least(front.face, _registry().denominationOf(address(token)));
    }

    /// @dev Registered, and not sanctioned: such a holder is redeemed at maturity, into a blocked account.
    function _isPayable(address holder) private view returns (bool) {
        bytes32 identity = identityRegistry.identityOf(holder);
        return identity != 0 && !identityRegistry.isSanctioned(identity);
    }

    /// @dev Whether `_opened` answers.
    function _isOpen(SecurityToken token) private view returns (bool) {
        Terms storage terms = _terms[token];
        ISecurityLife life = couponPayer.life();
        bool inTime = block.timestamp >= terms.opensAt && block.timestamp < terms.closesAt;
        inTime = inTime && block.timestamp < life.endOf(address(token));
        return inTime && life.defaultOf(address(token)) == 0 && !_registry().isPaused(address(token));
    }

    function _opened(SecurityToken token) private view returns (Terms storage terms) {
        terms = _terms[token];
        if (block.timestamp < terms.opensAt || block.timestamp >= terms.closesAt) {
            revert WindowNotOpen(address(token), terms.opensAt, terms.closesAt);
        }
        if (_registry().isPaused(address(token))) revert ICompliance.SecurityPaused(address(token));
        ISecurityLife life = couponPayer.life();
        uint64 end = life.endOf(address(token));
        if (block.timestamp >= end) revert SecurityEnded(address(token), end);
        bytes32 evidence = life.defaultOf(address(token));
        if (evidence != 0) revert SecurityInDefault(address(token), evidence);
    }

    function _registry() private view returns (IAssetRegistry) {
        return couponPayer.life().assetRegistry();
    }

    function _requirePayer(SecurityToken token) private view {
        address payer = _terms[token].payer;
        if (msg.sender != payer) revert NotWindowPayer(address(token), payer);
    }

    function _left(uint256 limit, uint256 used) private pure returns (uint256) {
        return limit > used ? limit - used : 0;
    }

    function _least(uint256 first, uint256 second) private pure returns (uint256) {
        return first < second ? first : second;
    }
}
