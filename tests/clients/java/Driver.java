import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Drives kafka-clients, whichever version is on the class path; see ../README.md. */
final class Driver {
    static final int FATAL = 2;
    static final int UNSUPPORTED = 3;
    private static final int STUCK = 4;
    private static final long CLOSE_LIMIT_MS = 10_000;

    private static final CountDownLatch CLOSED = new CountDownLatch(1);

    private Driver() {}

    public static void main(String[] args) {
        try {
            System.setOut(new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16)));
            Options options = new Options(args);
            Output output = new Output(options);
            ResetWatch.over(output);
            watchInput();
            switch (options.verb) {
                case "consume": Consume.run(options, output); break;
                case "produce": Produce.run(options, output); break;
                case "admin": Administer.run(options, output); break;
                default: throw new IllegalArgumentException(options.verb + " is not consume, produce or admin");
            }
            output.end();
            System.exit(0);
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(FATAL);
        }
    }

    /** Says that the library can't do what was asked for, and ends the process. */
    static void unsupported(Output output, String what) {
        output.event("unsupported", "what", what);
        output.end();
        System.exit(UNSUPPORTED);
    }

    /** Whether standard input is still open: the driver shall go on. */
    static boolean running() {
        return CLOSED.getCount() > 0;
    }

    /** Waits; at once over, and false, when standard input closes. */
    static boolean sleep(long ms) {
        try {
            return !CLOSED.await(ms, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            return false;
        }
    }

    /** Waits until record {@code number} is due at {@code rate} a second (0: at once); false when standard input closed. */
    static boolean pace(long startedNanos, long number, double rate) {
        long due = rate > 0 ? startedNanos + (long) (number / rate * 1e9) : 0;
        long wait = due == 0 ? 0 : TimeUnit.NANOSECONDS.toMillis(due - System.nanoTime());
        return wait > 0 ? sleep(wait) : running();
    }

    /** A driver that fails to close its client within 10 s of the end of its input ends all the same. */
    private static void watchInput() {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (IOException e) {
                // Closed is closed.
            }
            CLOSED.countDown();
            try {
                Thread.sleep(CLOSE_LIMIT_MS);
            } catch (InterruptedException e) {
                return;
            }
            Runtime.getRuntime().halt(STUCK);
        });
        watch.setDaemon(true);
        watch.start();
    }
}
