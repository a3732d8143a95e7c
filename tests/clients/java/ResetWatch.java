import java.io.PrintStream;

/** Finds in the client's log, which is standard error, what a consumer with a reset policy tells nobody else. */
final class ResetWatch extends PrintStream {
    private final Output output;

    private ResetWatch(PrintStream to, Output output) {
        super(to, true);
        this.output = output;
    }

    static void over(Output output) {
        System.setErr(new ResetWatch(System.err, output));
    }

    @Override
    public void println(String line) {
        super.println(line);
        if (line != null && line.contains("is out of range")) {
            output.event("reset", "message", line);
        }
    }
}
