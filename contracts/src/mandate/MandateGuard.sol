// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {VolumeLog} from "../compliance/VolumeLog.sol";
import {IAccountRoles, IManagedAccount} from "../interfaces/IManagedAccount.sol";
import {IAssetRegistry} from "../interfaces/IAssetRegistry.sol";
import {IMandateBooks, IMandateGuard} from "../interfaces/IMandateGuard.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {Settlement} from "../Settlement.sol";
import {Leg} from "../settlement/Instruction.sol";
import {Book, Books} from "./Books.sol";
import {Mandate, Mandates} from "./Mandate.sol";

/// @title MandateGuard
/// @notice Holds managed accounts to their mandates after each settlement, inside the same transaction.
/// @dev It judges accounted assets, not balances: what the account's own plans moved, and what owner or manager
/// recognised. A gift changes nothing, neither to a limit nor to the books, until it is recognised. All that is
/// accounted is valued at the oracle: a missing or stale price stops dealing. One guard serves many accounts; each
/// account's mandate is its owner's to set, at once if it is nowhere looser, else after the account's delay.
contract MandateGuard is IMandateGuard, IMandateBooks {
    using Books for Book;
    using Mandates for Mandate;
    using SafeCast for uint256;
    using VolumeLog for VolumeLog.Log;

    enum Rule {
        Duration,
        IssueCap,
        Turnover,
        Slippage
    }

    struct Announced {
        Mandate mandate;
        uint64 from;
    }

    event MandateSet(address indexed account, Mandate mandate);
    event MandateAnnounced(address indexed account, Mandate mandate, uint64 from);
    event Recognised(address indexed account, address indexed token, uint256 units);
    event MandateChecked(
        address indexed account,
        bytes32 indexed planHash,
        uint256 valueUnits,
        uint256 durationE6,
        uint256 turnoverUnits
    );

    /// @notice After the last leg the account is outside its mandate. Durations in 10^-6 of a year; issue cap, turnover
    /// and slippage in units of cash, with the bound that the mandate's bp come to.
    error MandateBreach(address account, Rule rule, bytes32 subject, uint256 value, uint256 lower, uint256 upper);
    error PlanRequired(address account);
    error NoMandate(address account);
    error ManagerIsPricer(address account, address manager);
    error NotAccounted(address account, bytes32 assetId, uint256 accounted, uint256 given);
    error OnlySettlement(address caller);
    error NotOwner(address account, address caller);
    error NotOwnerOrManager(address account, address caller);
    error InvalidMandate(Mandate mandate);
    error NothingAnnounced(address account);
    error TooEarly(uint64 from);
    error AnnouncementLapsed(uint64 until);
    error UnregisteredToken(address token);

    /// @notice Legs have moved and are not judged yet: what the account has now is not what it had before them.
    error SettlementUnderWay(address account);

    /// @notice A party of the instruction keeps books of what the account would owe or be owed: a repo facility.
    error ObligationRefused(address account, address keeper);

    /// @notice Seconds after the delay within which an announced mandate can be put in force.
    uint64 public constant GRACE = 7 days;

    /// @notice Who alone may ask.
    Settlement public immutable settlement;

    /// @notice Names tokens' CUSIPs.
    IAssetRegistry public immutable assetRegistry;

    /// @notice Values everything but cash.
    IPriceOracle public immutable oracle;

    /// @notice The one token that counts as cash.
    address public immutable cash;

    mapping(address account => Mandate) private _mandates;
    mapping(address account => Announced) private _announced;
    mapping(address account => uint256[]) private _positions;
    mapping(address account => uint256) private _cashOf;
    mapping(address account => VolumeLog.Log) private _turnover;

    constructor(Settlement settlement_, IAssetRegistry assetRegistry_, IPriceOracle oracle_, address cash_) {
        (settlement, assetRegistry, oracle, cash) = (settlement_, assetRegistry_, oracle_, cash_);
    }

    // --- mandates -----------------------------------------------------------------------------------------------

    /// @notice Sets an account's mandate, at once if it is the first or nowhere looser; else announces it.
    function setMandate(address account, Mandate calldata mandate) external {
        _requireOwner(account);
        if (!mandate.isSound()) revert InvalidMandate(mandate);
        Mandate memory current = _mandates[account];
        if (current.durationMaxE6 != 0 && mandate.isLooser(current)) {
            uint64 from = uint64(block.timestamp) + IAccountRoles(account).delay();
            _announced[account] = Announced(mandate, from);
            emit MandateAnnounced(account, mandate, from);
        } else {
            delete _announced[account];
            _mandates[account] = mandate;
            emit MandateSet(account, mandate);
        }
    }

    /// @notice Puts an announced mandate in force.
    function applyMandate(address account) external {
        _requireOwner(account);
        Announced memory due = _announced[account];
        if (due.from == 0) revert NothingAnnounced(account);
        if (block.timestamp < due.from) revert TooEarly(due.from);
        if (block.timestamp > due.from + GRACE) revert AnnouncementLapsed(due.from + GRACE);
        delete _announced[account];
        _mandates[account] = due.mandate;
        emit MandateSet(account, due.mandate);
    }

    /// @notice The mandate in force, and the one announced with the time from which it can be applied (0: none).
    function mandateOf(
        address account
    ) external view returns (Mandate memory mandate, Mandate memory next, uint64 nextFrom) {
        return (_mandates[account], _announced[account].mandate, _announced[account].from);
    }

    // --- books --------------------------------------------------------------------------------------------------

    /// @notice Takes what the account has of these tokens into its books: deposits, coupons, redemptions, gifts. Each
    /// must have a price. Owner or manager may.
    function recognise(address account, address[] calldata tokens) external {
        IAccountRoles roles = IAccountRoles(account);
        if (msg.sender != roles.owner() && msg.sender != roles.manager()) {
            revert NotOwnerOrManager(account, msg.sender);
        }
        _requireNoneSettling(account);
        Book memory book = Books.load(_positions[account], _cashOf[account], tokens.length);
        for (uint256 i = 0; i < tokens.length; ++i) {
            uint256 units = Books.unitsOf(tokens[i], account);
            if (tokens[i] == cash) {
                book.cash = units;
            } else {
                bytes32 cusip = assetRegistry.assetIdOf(tokens[i]);
                if (cusip == 0) revert UnregisteredToken(tokens[i]);
                oracle.dirtyPrice(cusip);
                book.units[book.lineOf(tokens[i])] = units;
            }
            emit Recognised(account, tokens[i], units);
        }
        _keep(account, book);
    }

    /// @inheritdoc IMandateBooks
    /// @dev Anyone may: it only ever lowers the books to the truth.
    function sync(address account, address token) external {
        _requireNoneSettling(account);
        Book memory book = Books.load(_positions[account], _cashOf[account], 1);
        uint256 units = Books.unitsOf(token, account);
        if (token == cash) {
            if (units >= book.cash) return;
            book.cash = units;
        } else {
            uint256 line = book.lineOf(token);
            if (units >= book.units[line]) return;
            book.units[line] = units;
        }
        emit Recognised(account, token, units);
        _keep(account, book);
    }

    /// @notice What is accounted to an account: tokens, units, and cash.
    function holdings(
        address account
    ) external view returns (address[] memory tokens, uint256[] memory units, uint256 cashUnits) {
        Book memory book = Books.load(_positions[account], _cashOf[account], 0);
        return (book.tokens, book.units, book.cash);
    }

    /// @notice Half of what an account bought and sold in the last `window` seconds, units of cash.
    function turnoverWithin(address account, uint256 window) external view returns (uint256 turned) {
        (turned, ) = _turnover[account].within(window);
    }

    // --- the check ----------------------------------------------------------------------------------------------

    /// @inheritdoc IMandateGuard
    /// @dev An instruction that only gives to the account is a gift: it needs no plan and changes nothing here.
    function check(address account, bytes32 planHash, Leg[] calldata legs) external {
        if (msg.sender != address(settlement)) revert OnlySettlement(msg.sender);
        if (!_gives(account, legs)) return;
        if (planHash == 0) revert PlanRequired(account);
        Mandate memory mandate = _mandates[account];
        if (mandate.durationMaxE6 == 0) revert NoMandate(account);
        address manager = IAccountRoles(account).manager();
        if (oracle.isPricer(manager)) revert ManagerIsPricer(account, manager);
        _requireNoObligation(account, legs);

        Book memory book = Books.load(_positions[account], _cashOf[account], legs.length);
        _move(account, book, legs);
        (uint256 value, uint256 durationE6, uint256 traded) = _judge(account, book, mandate);
        uint256 turned = _countTurnover(account, value, traded, mandate);
        _keep(account, book);
        emit MandateChecked(account, planHash, value, durationE6, turned);
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _gives(address account, Leg[] calldata legs) private pure returns (bool) {
        for (uint256 i = 0; i < legs.length; ++i) {
            if (legs[i].from == account) return true;
        }
        return false;
    }

    /// @dev Assets are judged, obligations are not seen: collateral given at its full price would look like a sale, and
    /// its proceeds could be invested once more. What keeps books of obligations guards itself.
    function _requireNoObligation(address account, Leg[] calldata legs) private view {
        address last;
        for (uint256 i = 0; i < legs.length; ++i) {
            Leg calldata leg = legs[i];
            if (leg.from != account && leg.to != account) continue;
            address other = leg.from == account ? leg.to : leg.from;
            if (other == last) continue;
            last = other;
            if (other.code.length == 0) continue;
            if (!ERC165Checker.supportsInterface(other, type(IManagedAccount).interfaceId)) continue;
            if (IManagedAccount(other).guard() == other) revert ObligationRefused(account, other);
        }
    }

    /// @dev Enters the legs of the account, and lowers each line to what the account really has left.
    function _move(address account, Book memory book, Leg[] calldata legs) private view {
        for (uint256 i = 0; i < legs.length; ++i) {
            Leg calldata leg = legs[i];
            if (leg.from != account && leg.to != account) continue;
            if (leg.token == cash) {
                if (leg.from == account) book.cashGiven += leg.amount;
                else book.cashGot += leg.amount;
                continue;
            }
            uint256 line = book.lineOf(leg.token);
            if (leg.from == account) book.given[line] += leg.amount;
            else book.got[line] += leg.amount;
        }
        if (book.cash + book.cashGot < book.cashGiven) {
            revert NotAccounted(account, assetRegistry.assetIdOf(cash), book.cash, book.cashGiven);
        }
        book.cash = _least(book.cash + book.cashGot - book.cashGiven, Books.unitsOf(cash, account));
        for (uint256 line = 0; line < book.length; ++line) {
            address token = book.tokens[line];
            book.cusips[line] = assetRegistry.assetIdOf(token);
            uint256 units = book.units[line] + book.got[line];
            if (units < book.given[line]) {
                revert NotAccounted(account, book.cusips[line], book.units[line], book.given[line]);
            }
            book.units[line] = _least(units - book.given[line], Books.unitsOf(token, account));
        }
    }

    /// @dev Duration, issue cap and slippage, from the oracle's prices; amounts in units of cash, rounded down.
    function _judge(
        address account,
        Book memory book,
        Mandate memory mandate
    ) private view returns (uint256 value, uint256 durationE6, uint256 traded) {
        IPriceOracle.Measure[] memory found = oracle.measures(book.namesToPrice());
        uint256 gained = book.cashGot;
        uint256 spent = book.cashGiven;
        uint256 weighted;
        value = book.cash;
        for (uint256 line = 0; line < book.length; ++line) {
            uint256 priced = book.prices[line];
            if (priced == 0) continue; // neither held nor traded
            IPriceOracle.Measure memory measure = found[priced - 1];
            uint256 worth = (book.units[line] * measure.dirtyE6) / 1e8;
            gained += (book.got[line] * measure.dirtyE6) / 1e8;
            spent += (book.given[line] * measure.dirtyE6) / 1e8;
            traded += ((book.got[line] + book.given[line]) * measure.dirtyE6) / 1e8;
            book.values[line] = worth;
            value += worth;
            weighted += worth * measure.durationE6;
        }
        if (weighted < mandate.durationMinE6 * value || weighted > mandate.durationMaxE6 * value) {
            uint256 shown = value == 0 ? 0 : weighted / value;
            revert MandateBreach(account, Rule.Duration, 0, shown, mandate.durationMinE6, mandate.durationMaxE6);
        }
        durationE6 = value == 0 ? 0 : weighted / value;
        uint256 cap = (value * mandate.issueCapBp) / 10_000;
        for (uint256 line = 0; line < book.length; ++line) {
            if (book.values[line] > cap) {
                revert MandateBreach(account, Rule.IssueCap, book.cusips[line], book.values[line], 0, cap);
            }
        }
        uint256 loss = spent > gained ? spent - gained : 0;
        uint256 bearable = (traded * mandate.slippageBp) / 10_000;
        if (loss > bearable) revert MandateBreach(account, Rule.Slippage, 0, loss, 0, bearable);
    }

    function _countTurnover(
        address account,
        uint256 value,
        uint256 traded,
        Mandate memory mandate
    ) private returns (uint256 turned) {
        VolumeLog.Log storage log = _turnover[account];
        uint128 units = (traded / 2).toUint128();
        (uint256 before, uint256 first) = log.within(mandate.window);
        log.add(units, first);
        turned = before + units;
        uint256 most = (value * mandate.turnoverBp) / 10_000;
        if (turned > most) revert MandateBreach(account, Rule.Turnover, 0, turned, 0, most);
    }

    function _keep(address account, Book memory book) private {
        if (book.cash != _cashOf[account]) _cashOf[account] = book.cash;
        book.store(_positions[account]);
    }

    function _requireOwner(address account) private view {
        if (msg.sender != IAccountRoles(account).owner()) revert NotOwner(account, msg.sender);
    }

    /// @dev Another party's guard may run between the legs and `check`. Books that were lowered there would be lowered
    /// once more by what the legs took, and hide that much from every limit.
    function _requireNoneSettling(address account) private view {
        if (settlement.isSettling()) revert SettlementUnderWay(account);
    }

    function _least(uint256 left, uint256 right) private pure returns (uint256) {
        return left < right ? left : right;
    }
}
