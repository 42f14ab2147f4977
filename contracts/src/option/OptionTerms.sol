// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Accrual, Schedule} from "../oracle/Accrual.sol";
import {HoldId} from "../token/HoldId.sol";

/// @notice What the holder may do on the expiry date: buy (Call) or sell (Put) the face at the strike.
enum OptionKind {
    Call,
    Put
}

/// @notice A European option on a security, settled by delivery. Dates are New York midnights.
/// @param cusip The security, ASCII, padded right with zeros.
/// @param strikeE6 Clean price per 100 face, in 10^-6: the payer pays it and accrued interest.
/// @param face Units of the security.
/// @param settlementDate The expiry date: exercise settles on it, so interest accrues to it.
/// @param exerciseFrom First second (Unix time) at which it can be exercised, on the expiry date.
/// @param exerciseUntil Last one.
/// @param schedule Where the coupon accrues on the expiry date; all zero for a bill.
/// @param salt Tells options of the same terms apart.
struct OptionTerms {
    address writer;
    address holder;
    bytes32 cusip;
    OptionKind kind;
    uint64 strikeE6;
    uint88 face;
    uint64 settlementDate;
    uint64 exerciseFrom;
    uint64 exerciseUntil;
    Schedule schedule;
    uint256 salt;
}

/// @title OptionMath
/// @notice Name of an option, and what its exercise costs.
library OptionMath {
    bytes32 internal constant SCHEDULE_TYPEHASH =
        keccak256(
            "Schedule(uint32 couponE9,uint40 accrualStart,uint40 priorCoupon,uint40 previousCoupon,uint40 nextCoupon)"
        );

    bytes32 internal constant TERMS_TYPEHASH =
        keccak256(
            "OptionTerms(address writer,address holder,bytes32 cusip,uint8 kind,uint64 strikeE6,uint88 face,"
            "uint64 settlementDate,uint64 exerciseFrom,uint64 exerciseUntil,Schedule schedule,uint256 salt)"
            "Schedule(uint32 couponE9,uint40 accrualStart,uint40 priorCoupon,uint40 previousCoupon,uint40 nextCoupon)"
        );

    bytes32 internal constant EXERCISE_TYPEHASH = keccak256("Exercise(bytes32 optionId)");

    /// @notice The option's id: that of the writer's hold with `saltOf(terms)`; and the context of the instruction that
    /// pays its premium.
    function idOf(OptionTerms calldata terms) internal pure returns (bytes32) {
        return HoldId.derive(terms.writer, saltOf(terms));
    }

    /// @notice hashStruct(terms): the salt of the hold that covers a call.
    function saltOf(OptionTerms calldata terms) internal pure returns (bytes32) {
        bytes32 schedule = keccak256(abi.encode(SCHEDULE_TYPEHASH, terms.schedule));
        return
            keccak256(
                abi.encode(
                    TERMS_TYPEHASH,
                    terms.writer,
                    terms.holder,
                    terms.cusip,
                    terms.kind,
                    terms.strikeE6,
                    terms.face,
                    terms.settlementDate,
                    terms.exerciseFrom,
                    terms.exerciseUntil,
                    schedule,
                    terms.salt
                )
            );
    }

    /// @notice Context of the instruction that exercises an option.
    function exerciseContext(bytes32 optionId) internal pure returns (bytes32) {
        return keccak256(abi.encode(EXERCISE_TYPEHASH, optionId));
    }

    /// @notice Strike and accrued interest for the face, rounded up to the unit: the payer bears it.
    function paymentOf(OptionTerms calldata terms) internal pure returns (uint256) {
        uint256 priceE6 = terms.strikeE6 + Accrual.accruedE6(terms.schedule, terms.settlementDate);
        return (terms.face * priceE6 + (1e8 - 1)) / 1e8;
    }
}
