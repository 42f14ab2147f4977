// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title RestrictionCodes
/// @notice ERC-1404 codes shared by Compliance and SecurityToken: why a transfer is refused, or which rule binds.
library RestrictionCodes {
    uint8 internal constant SUCCESS = 0;
    uint8 internal constant SENDER_UNKNOWN = 1;
    uint8 internal constant RECIPIENT_UNKNOWN = 2;
    uint8 internal constant SENDER_CLAIM = 3;
    uint8 internal constant RECIPIENT_CLAIM = 4;
    uint8 internal constant FROZEN = 5;
    uint8 internal constant BALANCE = 6;
    uint8 internal constant TRADE_LIMIT = 7;
    uint8 internal constant HELD = 8;
    uint8 internal constant PAUSED = 9;
    uint8 internal constant SENDER_COUNTRY = 10;
    uint8 internal constant RECIPIENT_COUNTRY = 11;
    uint8 internal constant SENDER_VOLUME = 12;
    uint8 internal constant RECIPIENT_VOLUME = 13;
    uint8 internal constant HOLDING_CAP = 14;
    uint8 internal constant DENOMINATION = 15;
    uint8 internal constant IN_DEFAULT = 16;
    uint8 internal constant STOPPED = 17;
    uint8 internal constant SENDER_SANCTIONED = 18;
    uint8 internal constant RECIPIENT_SANCTIONED = 19;
    uint8 internal constant REQUIRED_CLAIM = 20;
    uint8 internal constant SHARE_OF_SUPPLY = 21;
    uint8 internal constant HOLDER_COUNT = 22;
    uint8 internal constant LOCK_UP = 23;
    uint8 internal constant SENDER_MINIMUM = 24;
    uint8 internal constant RECIPIENT_MINIMUM = 25;
    uint8 internal constant RULE = 26;

    /// @notice The sender may not send at all.
    function isOfSender(uint8 code) internal pure returns (bool) {
        return
            code == SENDER_UNKNOWN || code == SENDER_CLAIM || code == SENDER_COUNTRY || code == SENDER_SANCTIONED;
    }

    /// @notice The recipient may not receive at all.
    function isOfRecipient(uint8 code) internal pure returns (bool) {
        return
            code == RECIPIENT_UNKNOWN ||
            code == RECIPIENT_CLAIM ||
            code == RECIPIENT_COUNTRY ||
            code == RECIPIENT_SANCTIONED;
    }

    /// @notice One sentence for a person; the empty string for a code that does not exist.
    function message(uint8 code) internal pure returns (string memory) {
        if (code == SUCCESS) return "no restriction";
        if (code == SENDER_UNKNOWN) return "sender's wallet has no identity";
        if (code == RECIPIENT_UNKNOWN) return "recipient's wallet has no identity";
        if (code == SENDER_CLAIM) return "sender's claim has expired or was revoked";
        if (code == RECIPIENT_CLAIM) return "recipient's claim has expired or was revoked";
        if (code == FROZEN) return "amount exceeds the sender's unfrozen units";
        if (code == BALANCE) return "amount exceeds the sender's balance";
        if (code == TRADE_LIMIT) return "amount exceeds the single-trade limit";
        if (code == HELD) return "amount exceeds the sender's units that are not on hold";
        if (code == PAUSED) return "security is paused";
        if (code == SENDER_COUNTRY) return "sender's country is not admitted";
        if (code == RECIPIENT_COUNTRY) return "recipient's country is not admitted";
        if (code == SENDER_VOLUME) return "amount exceeds the sender's volume left in the window";
        if (code == RECIPIENT_VOLUME) return "amount exceeds the recipient's volume left in the window";
        if (code == HOLDING_CAP) return "amount exceeds what the recipient's holding cap leaves";
        if (code == DENOMINATION) return "amount is not a multiple of the security's denomination";
        if (code == IN_DEFAULT) return "security is in default";
        if (code == STOPPED) return "the ledger is stopped in an emergency";
        if (code == SENDER_SANCTIONED) return "sender is on the sanctions list";
        if (code == RECIPIENT_SANCTIONED) return "recipient is on the sanctions list";
        if (code == REQUIRED_CLAIM) return "recipient has no claim of a class that the security requires";
        if (code == SHARE_OF_SUPPLY) return "amount exceeds what the recipient's share of the supply leaves";
        if (code == HOLDER_COUNT) return "security has as many holders as it may";
        if (code == LOCK_UP) return "amount exceeds the sender's units that are not under lock-up";
        if (code == SENDER_MINIMUM) return "sender would keep less than the minimum holding";
        if (code == RECIPIENT_MINIMUM) return "recipient would have less than the minimum holding";
        if (code == RULE) return "a rule of the security refuses, or fails";
        return "";
    }
}
