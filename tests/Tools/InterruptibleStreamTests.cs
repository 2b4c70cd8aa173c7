using System.Text;
using Dnabert2.Tool;

namespace Tests.Tools;

public class InterruptibleStreamTests
{
    [Fact]
    public void A_read_that_waits_for_ever_ends_when_it_is_cancelled()
    {
        using var source = new CancellationTokenSource();
        using var never = new ManualResetEventSlim();
        using var stream = new InterruptibleStream(new Waiting(source, never), source.Token);
        Assert.ThrowsAny<OperationCanceledException>(() => stream.Read(new byte[10]));
        never.Set();
    }

    [Fact]
    public void What_is_read_is_what_the_input_holds()
    {
        byte[] content = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 50_000)));
        using var stream = new InterruptibleStream(new MemoryStream(content), CancellationToken.None);
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        Assert.Equal(content, copy.ToArray());
    }

    /// <summary>An input that gives nothing; the one who waits for it is interrupted while it does.</summary>
    private sealed class Waiting(CancellationTokenSource source, ManualResetEventSlim never) : MemoryStream
    {
        public override int Read(byte[] buffer, int offset, int count)
        {
            source.Cancel();
            never.Wait();
            return 0;
        }
    }
}
