using Dnabert2.Tool;

namespace Tests.Tools;

public class ProgressTests
{
    [Fact]
    public void Short_work_shows_nothing()
    {
        (ProgressLine line, Clock clock, StringWriter error) = Make(watched: true);
        clock.Seconds = 1;
        Assert.False(line.IsDue);
        line.Dispose();
        Assert.Equal("", error.ToString());
    }

    [Fact]
    public void A_watched_line_is_written_over_and_wiped()
    {
        (ProgressLine line, Clock clock, StringWriter error) = Make(watched: true);
        clock.Seconds = 2;
        Assert.True(line.IsDue);
        line.Show("1,204 records", done: 5000, share: 0.25);
        Assert.Equal("\r1,204 records, 2,500 tokens/s, 25 %, 0:06 left", error.ToString());
        Assert.False(line.IsDue);
        clock.Seconds = 2.5;
        Assert.True(line.IsDue);
        line.Show("9", done: 5000, share: null);
        line.Dispose();
        string[] states = error.ToString().Split('\r');
        Assert.Equal("9, 2,000 tokens/s".PadRight(states[1].Length), states[2]);
        Assert.Equal(["", ""], states[3..].Select(s => s.Trim()));
        Assert.DoesNotContain('\n', error.ToString());
    }

    [Fact]
    public void A_line_never_wraps()
    {
        (ProgressLine line, Clock clock, StringWriter error) = Make(watched: true, width: 20);
        clock.Seconds = 2;
        line.Show("123,456,789 records", 1e9, 0.5);
        Assert.Equal(19, error.ToString().TrimStart('\r').Length);
    }

    [Fact]
    public void A_log_gets_a_line_every_ten_seconds()
    {
        (ProgressLine line, Clock clock, StringWriter error) = Make(watched: false);
        int shown = 0;
        for (int second = 0; second <= 35; second++)
        {
            clock.Seconds = second;
            if (!line.IsDue) continue;
            line.Show($"{second} records", second, 0.5);
            shown++;
        }

        line.Dispose();
        Assert.Equal(3, shown);
        Assert.Equal(
            ["dnabert2: 10 records, 1 tokens/s, 50 %, 0:10 left", "dnabert2: 20 records, 1 tokens/s, 50 %, 0:20 left",
                "dnabert2: 30 records, 1 tokens/s, 50 %, 0:30 left"],
            error.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Quiet_work_is_never_due()
    {
        (ProgressLine line, Clock clock, _) = Make(watched: true, quiet: true);
        clock.Seconds = 1000;
        Assert.False(line.IsDue);
        line.Dispose();
    }

    [Theory]
    [InlineData(7, "0:07")]
    [InlineData(61, "1:01")]
    [InlineData(3723, "1:02:03")]
    [InlineData(360_000, "100:00:00")]
    public void Durations_are_written_for_people(int seconds, string text) =>
        Assert.Equal(text, ProgressLine.Duration(TimeSpan.FromSeconds(seconds)));

    private static (ProgressLine, Clock, StringWriter) Make(bool watched, int width = 80, bool quiet = false)
    {
        var clock = new Clock();
        var error = new StringWriter();
        var terminal = new Terminal
        {
            Input = Stream.Null,
            Output = Stream.Null,
            Error = error,
            ErrorIsWatched = watched,
            Width = width,
            Time = clock,
        };
        return (new ProgressLine(terminal, quiet, "tokens"), clock, error);
    }

    private sealed class Clock : TimeProvider
    {
        public double Seconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }
}
