// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Settlement} from "../Settlement.sol";
import {Instruction, Leg} from "./Instruction.sol";
import {Trade} from "./Trade.sol";
import {TradeBook} from "./TradeBook.sol";

/// @title ClearingHouse
/// @notice One central counterparty: it steps between the parties of affirmed trades, nets what each member owes and is
/// owed per settlement date, security and currency, and settles the nets against itself.
/// @dev Every change is made twice, once for each side of a trade, so obligations sum to zero per asset. What is not
/// settled stays owed: a member's fail is the CCP's fail towards a receiver, and nobody else's. It holds nothing:
/// members and the CCP name it as their operator at Settlement.
contract ClearingHouse {
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @notice What a member is owed (positive) or owes (negative), in units of the security and of the cash.
    struct Obligation {
        int128 face;
        int128 cash;
    }

    /// @notice How much of a member's obligation in one security settles now; its cash goes along.
    struct Line {
        address member;
        address asset;
        uint128 face;
    }

    /// @dev Legs of an instruction while they are made.
    struct Draft {
        Leg[] given;
        Leg[] taken;
        uint256 gives;
        uint256 takes;
        uint256 givers;
    }

    event Novated(
        bytes32 indexed tradeId,
        uint64 indexed opens,
        address asset,
        address cash,
        address seller,
        address buyer,
        uint256 face,
        uint256 proceeds
    );

    /// @notice A line settled: what the member received (positive) or gave (negative).
    event NetSettled(
        uint64 indexed opens,
        address indexed member,
        address asset,
        address cash,
        int256 faceMoved,
        int256 cashMoved,
        bytes32 instructionHash
    );

    error NotCounterparty(address caller);
    error MemberIsCounterparty(address member);

    /// @notice It has not named this clearing house as its operator: its net could not settle.
    error NotMember(address party);
    error NetTooEarly(uint64 opens);
    error NothingOwed(address member, address asset);
    error NotOwed(address member, address asset, uint256 face, uint256 owed);
    error LinesNotSorted(uint256 line);

    /// @notice Where everything settles.
    Settlement public immutable settlement;

    /// @notice Where trades are affirmed.
    TradeBook public immutable book;

    /// @notice The central counterparty: novates, chooses what settles, and holds what is between two members.
    address public immutable ccp;

    mapping(bytes32 key => Obligation) private _obligations;
    uint256 private _rounds;

    modifier onlyCounterparty() {
        if (msg.sender != ccp) revert NotCounterparty(msg.sender);
        _;
    }

    constructor(Settlement settlement_, TradeBook book_, address ccp_) {
        (settlement, book, ccp) = (settlement_, book_, ccp_);
    }

    /// @notice Takes over what is open of trades that name this clearing house: gross trades close, nets change.
    function novate(Trade[] calldata trades) external onlyCounterparty {
        for (uint256 i = 0; i < trades.length; ++i) {
            Trade calldata trade = trades[i];
            if (trade.seller == ccp || trade.buyer == ccp) revert MemberIsCounterparty(ccp);
            _requireMember(trade.seller);
            _requireMember(trade.buyer);
            (uint128 face, uint128 cash) = book.novate(trade);
            int128 faceMoved = uint256(face).toInt256().toInt128();
            int128 cashMoved = uint256(cash).toInt256().toInt128();
            _add(trade, trade.seller, -faceMoved, cashMoved);
            _add(trade, trade.buyer, faceMoved, -cashMoved);
            bytes32 id = book.idOf(trade);
            emit Novated(id, trade.opens, trade.asset, trade.cash, trade.seller, trade.buyer, face, cash);
        }
    }

    /// @notice Settles lines of one settlement date and currency in one instruction, all or none.
    /// @param lines Ascending by member. What members give comes first, so the CCP passes on what it received; where a
    /// deliverer fails it settles a part with the receivers. A part of an obligation takes its cash pro rata, rounded
    /// towards zero; the last part the rest.
    function settle(uint64 opens, address cash, Line[] calldata lines) external onlyCounterparty {
        if (block.timestamp < opens) revert NetTooEarly(opens);
        int256[2][] memory moves = _take(opens, cash, lines);
        Instruction memory instruction;
        bytes[] memory signatures;
        (instruction.legs, signatures) = _legs(cash, lines, moves);
        (instruction.notBefore, instruction.deadline) = (opens, type(uint64).max);
        instruction.nonce = uint256(keccak256(abi.encode(address(this), ++_rounds)));
        bytes32 hash = settlement.hashInstruction(instruction);
        for (uint256 i = 0; i < lines.length; ++i) {
            emit NetSettled(opens, lines[i].member, lines[i].asset, cash, moves[i][0], moves[i][1], hash);
        }
        settlement.settle(instruction, signatures);
    }

    /// @notice What a member owes or is owed of a settlement date in one security and currency.
    function obligationOf(
        uint64 opens,
        address asset,
        address cash,
        address member
    ) external view returns (Obligation memory) {
        return _obligations[_key(opens, asset, cash, member)];
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _key(uint64 opens, address asset, address cash, address member) private pure returns (bytes32) {
        return keccak256(abi.encode(opens, asset, cash, member));
    }

    function _requireMember(address party) private view {
        if (!settlement.isOperator(party, address(this))) revert NotMember(party);
    }

    function _add(Trade calldata trade, address member, int128 face, int128 cash) private {
        Obligation storage owed = _obligations[_key(trade.opens, trade.asset, trade.cash, member)];
        (owed.face, owed.cash) = (owed.face + face, owed.cash + cash);
    }

    /// @dev Takes each line out of what is owed: (face, cash) that the member receives, negative if it gives.
    function _take(
        uint64 opens,
        address cash,
        Line[] calldata lines
    ) private returns (int256[2][] memory moves) {
        moves = new int256[2][](lines.length);
        for (uint256 i = 0; i < lines.length; ++i) {
            if (i != 0 && lines[i].member < lines[i - 1].member) revert LinesNotSorted(i);
            moves[i] = _takeLine(lines[i], _obligations[_key(opens, lines[i].asset, cash, lines[i].member)]);
        }
    }

    function _takeLine(Line calldata line, Obligation storage owed) private returns (int256[2] memory moved) {
        (int256 face, int256 money) = (owed.face, owed.cash);
        uint256 most = uint256(face < 0 ? -face : face);
        if (face == 0 && money == 0) revert NothingOwed(line.member, line.asset);
        if (line.face > most || (line.face == 0 && most != 0)) {
            revert NotOwed(line.member, line.asset, line.face, most);
        }
        int256 part = uint256(line.face).toInt256();
        if (line.face != most) money = (money * part) / most.toInt256();
        moved = [face < 0 ? -part : part, money];
        owed.face -= moved[0].toInt128();
        owed.cash -= money.toInt128();
    }

    /// @dev Deliveries to the CCP and payments to it, then what it delivers and pays; one net payment for each member.
    function _legs(
        address cash,
        Line[] calldata lines,
        int256[2][] memory moves
    ) private view returns (Leg[] memory legs, bytes[] memory signatures) {
        Draft memory draft;
        (draft.given, draft.taken) = (new Leg[](2 * lines.length), new Leg[](2 * lines.length));
        for (uint256 next = 0; next < lines.length; ) next = _draft(draft, cash, lines, moves, next);
        legs = new Leg[](draft.gives + draft.takes);
        for (uint256 i = 0; i < draft.gives; ++i) legs[i] = draft.given[i];
        for (uint256 i = 0; i < draft.takes; ++i) legs[draft.gives + i] = draft.taken[i];
        signatures = new bytes[](draft.takes == 0 ? draft.givers : draft.givers + 1);
    }

    /// @dev Legs of the member whose lines start at `next`; returns where those of another start.
    function _draft(
        Draft memory draft,
        address cash,
        Line[] calldata lines,
        int256[2][] memory moves,
        uint256 next
    ) private view returns (uint256) {
        address member = lines[next].member;
        uint256 before = draft.gives;
        int256 money = 0;
        for (; next < lines.length && lines[next].member == member; ++next) {
            _push(draft, lines[next].asset, member, moves[next][0]);
            money += moves[next][1];
        }
        _push(draft, cash, member, money);
        if (draft.gives != before) ++draft.givers;
        return next;
    }

    /// @dev `units` that the member receives, negative if it gives.
    function _push(Draft memory draft, address token, address member, int256 units) private view {
        if (units < 0) draft.given[draft.gives++] = Leg(token, member, ccp, uint256(-units));
        if (units > 0) draft.taken[draft.takes++] = Leg(token, ccp, member, uint256(units));
    }
}
