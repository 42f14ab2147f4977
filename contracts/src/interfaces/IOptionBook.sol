// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OptionKind, OptionTerms} from "../option/OptionTerms.sol";
import {Instruction} from "../settlement/Instruction.sol";

/// @title IOptionBook
/// @notice Options written against collateral that is really held, bought for a premium, exercised by delivery.
interface IOptionBook {
    /// @notice Written: collateral is set aside, nobody has paid. Open: bought. The rest are ends.
    enum OptionStatus {
        None,
        Written,
        Open,
        Exercised,
        Expired,
        Withdrawn
    }

    /// @notice An option as the book keeps it.
    /// @param payment Strike and accrued interest for the whole face, in units of cash.
    /// @param premium What the holder paid; 0 before he has.
    struct OptionState {
        address writer;
        OptionStatus status;
        OptionKind kind;
        address holder;
        uint64 exerciseFrom;
        address token;
        uint64 exerciseUntil;
        uint88 face;
        uint128 payment;
        uint128 premium;
    }

    /// @notice Collateral is set aside: of a call the face, of a put the payment.
    event OptionWritten(
        bytes32 indexed id,
        address indexed writer,
        address indexed holder,
        OptionTerms terms,
        uint256 payment
    );
    event OptionBought(bytes32 indexed id, address indexed holder, address indexed writer, uint256 premium);
    event OptionExercised(bytes32 indexed id, address indexed holder, uint256 face, uint256 payment);

    /// @notice The writer was assigned: he delivered (Call) or took (Put) the face for the payment.
    event OptionAssigned(bytes32 indexed id, address indexed writer, OptionKind kind, uint256 face, uint256 payment);
    event OptionExpired(bytes32 indexed id, address indexed writer, bool bought);
    event OptionWithdrawn(bytes32 indexed id, address indexed writer);

    /// @notice A party's wallet was recovered: these are the parties now.
    event OptionFollowed(bytes32 indexed id, address writer, address holder);

    /// @notice Sets the caller's collateral aside; he is the writer.
    /// @dev A call needs a hold of his on the whole face, whose id is the option's, for the holder, with this book as
    /// notary, until the last second of the window. A put takes the payment from his allowance.
    function write(OptionTerms calldata terms) external returns (bytes32 id);

    /// @notice Delivers a written option to its holder against the premium, in one transaction. Anyone may bring it.
    /// @param instruction One leg, the premium from the holder to this book, which passes it on; its context is the
    /// option's id.
    /// @param signatures Of the holder.
    /// @param quote The writer's signature over the same instruction: his offer at this premium until its deadline.
    function buy(
        bytes32 id,
        Instruction calldata instruction,
        bytes[] calldata signatures,
        bytes calldata quote
    ) external;

    /// @notice Exercises a bought option inside its window, whole. Anyone may bring the holder's signature.
    /// @param instruction Call: the payment from the holder to this book, which passes it on. Put: the face from the
    /// holder to the writer, and the payment from this book to the holder. Its context is `exerciseContext(id)`.
    /// @param signatures Of the givers, as Settlement wants them; this book's own may be empty.
    function exercise(bytes32 id, Instruction calldata instruction, bytes[] calldata signatures) external;

    /// @notice Ends an option whose window has passed and frees its collateral. Anyone may.
    function expire(bytes32 id) external;

    /// @notice Ends an option that nobody has bought and frees its collateral. The writer may.
    function withdraw(bytes32 id) external;

    /// @notice Puts the successor of a recovered wallet in its place as writer or holder. Anyone may.
    /// @dev The hold that covers a call follows in the token, by `SecurityToken.recover`.
    function follow(bytes32 id) external;

    /// @notice An option and its status.
    function optionOf(bytes32 id) external view returns (OptionState memory);

    /// @notice Cash that is set aside here for live puts.
    function escrowed() external view returns (uint256);

    /// @notice The id of terms.
    function idOf(OptionTerms calldata terms) external pure returns (bytes32);

    /// @notice Strike and accrued interest of terms for the whole face, rounded up to the unit.
    function paymentOf(OptionTerms calldata terms) external pure returns (uint256);

    /// @notice Context of the instruction that exercises an option.
    function exerciseContext(bytes32 id) external pure returns (bytes32);
}
