import java.util.HexFormat;
import java.util.List;
import javax.smartcardio.Card;
import javax.smartcardio.CardChannel;
import javax.smartcardio.CardException;
import javax.smartcardio.CardTerminal;
import javax.smartcardio.CommandAPDU;
import javax.smartcardio.ResponseAPDU;
import javax.smartcardio.TerminalFactory;

/** Talks to the card in the reader named by the first argument, through the JDK's own PC/SC, and prints what it answers. */
public final class Purse {
    private static final HexFormat HEX = HexFormat.of().withUpperCase();

    public static void main(String[] arguments) throws CardException {
        List<CardTerminal> terminals = TerminalFactory.getDefault().terminals().list();
        CardTerminal terminal = terminals.stream().filter(t -> t.getName().equals(arguments[0])).findFirst().orElseThrow();
        System.out.println("terminals " + terminals.size() + " present " + terminal.isCardPresent());
        Card card = terminal.connect("*");
        System.out.println("atr " + HEX.formatHex(card.getATR().getBytes()));
        System.out.println("historical " + HEX.formatHex(card.getATR().getHistoricalBytes()));
        CardChannel channel = card.getBasicChannel();
        for (int at = 1; at < arguments.length; at++) {
            ResponseAPDU answer = channel.transmit(new CommandAPDU(HEX.parseHex(arguments[at])));
            System.out.printf("%s -> %s %04X%n", arguments[at], HEX.formatHex(answer.getData()), answer.getSW());
        }
        card.disconnect(true);
        card = terminal.connect("T=0");
        ResponseAPDU fresh = card.getBasicChannel().transmit(new CommandAPDU(0x00, 0xB0, 0x95, 0x00, 0x1E));
        System.out.printf("after reset %04X %s%n", fresh.getSW(), card.getProtocol());
        card.disconnect(false);
    }
}
