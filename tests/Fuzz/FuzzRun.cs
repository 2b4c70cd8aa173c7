using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;

namespace Tests.Fuzz;

/// <summary>
/// Feeds a parser with changed inputs. What comes of an input (its shape, or the error without what it quotes) tells where in the parser it
/// got to: an input with an outcome not seen before is kept and changed further, in place of coverage of the code.
/// </summary>
/// <param name="target">The parser.</param>
/// <param name="seed">Decides the inputs.</param>
/// <param name="sources">The source files that have to refuse some input, or else the target does not reach them.</param>
internal sealed partial class FuzzRun(FuzzTarget target, int seed, params IEnumerable<string> sources)
{
    // So many times the inputs are given until every source file was reached.
    private const int MostPatience = 100;
    private const int MostKept = 2000, LongestKept = 1 << 16, LongestMessage = 3000, MostFindings = 5;
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(10);
    private readonly Random _random = new(seed);
    private readonly List<byte[]> _pool = [.. target.Seeds];
    private readonly HashSet<string> _outcomes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _faults = new(StringComparer.Ordinal);
    private readonly List<string> _unreached = [.. sources];

    public int Inputs { get; private set; }

    public int Accepted { get; private set; }

    public int Outcomes => _outcomes.Count;

    public TimeSpan Time { get; private set; }

    /// <summary>The source files that have refused nothing.</summary>
    public IReadOnlyList<string> Unreached => _unreached;

    public List<Finding> Findings { get; } = [];

    /// <summary>Runs the seeds, which have to be read, and then so many inputs, or as long as there is time.</summary>
    public void Run(int inputs, TimeSpan time)
    {
        var clock = Stopwatch.StartNew();
        foreach (byte[] input in target.Seeds)
            if (Fault(input, out string outcome) is { } fault || !outcome.StartsWith("read", StringComparison.Ordinal))
                throw new InvalidOperationException($"{target}: a seed is not read: {Fault(input, out outcome)} {outcome}");
        while (Inputs < inputs || clock.Elapsed < time || (_unreached.Count > 0 && Inputs < MostPatience * inputs))
        {
            // Newer ones more often: they got further.
            int n = _pool.Count, at = _random.Next(2) == 0 ? _random.Next(n) : n - 1 - _random.Next(Math.Min(n, 20));
            byte[] input = target.Mutate(_pool[at], _pool[_random.Next(n)], _random);
            Inputs++;
            string? fault = Fault(input, out string outcome);
            if (outcome.StartsWith("read", StringComparison.Ordinal)) Accepted++;
            if (_outcomes.Add(outcome) && input.Length <= LongestKept && _pool.Count < MostKept) _pool.Add(input);
            if (fault is null || !_faults.Add(Shape(fault))) continue;
            Findings.Add(new Finding(fault, Smallest(input, Shape(fault))));
            if (Findings.Count == MostFindings) break;
        }

        Time = clock.Elapsed;
    }

    /// <summary>What does not hold for an input, or null.</summary>
    private string? Fault(byte[] input, out string outcome)
    {
        string? first = Once(input, out outcome, out TimeSpan time);
        if (first is not null) return first;
        // Another process may have had the core.
        for (int again = 0; time > Slow && again < 2; again++) Once(input, out _, out time);
        if (time > Slow) return $"takes {time.TotalSeconds:F0} s for {input.Length} bytes";
        if (Inputs % 8 != 0) return null;
        string? second = Once(input, out string other, out _);
        return second ?? (other == outcome ? null : "another outcome the second time");
    }

    private string? Once(byte[] input, out string outcome, out TimeSpan time)
    {
        var clock = Stopwatch.StartNew();
        long before = GC.GetAllocatedBytesForCurrentThread();
        string? fault = null;
        try
        {
            string read = target.Read(input);
            outcome = $"read {Size(read.Length)} {read[..Math.Min(read.Length, 16)]}";
        }
        catch (Exception e) when (e is not Xunit.Sdk.XunitException)
        {
            outcome = $"{e.GetType().Name} {Shape(e.Message)}";
            if (_unreached.Count > 0 && !_outcomes.Contains(outcome))
                _unreached.RemoveAll(source => Names($"{e.StackTrace} {e.InnerException?.StackTrace}", source));
            string? place = e.StackTrace?.Split('\n').FirstOrDefault(
                l => l.Contains(" Dnabert2", StringComparison.Ordinal) || l.Contains(" Engine", StringComparison.Ordinal));
            if (Array.IndexOf(target.Documented, e.GetType()) < 0) fault = $"{e.GetType().Name}: {e.Message} {place}";
            else if (!e.Message.Contains(target.Named, StringComparison.Ordinal))
                fault = $"the message does not name the file: {e.Message}";
            else if (e.Message.Length > LongestMessage) fault = $"a message of {e.Message.Length} characters: {e.Message[..200]}";
        }
        catch (Xunit.Sdk.XunitException e)
        {
            outcome = fault = $"not as it was written: {e.Message}";
        }

        time = clock.Elapsed;
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > target.Memory.Fixed + (target.Memory.EachByte * input.Length))
            fault ??= $"allocates {allocated} bytes for {input.Length}";
        return fault;
    }

    /// <summary>Takes out whatever can be taken out with the same fault.</summary>
    private byte[] Smallest(byte[] input, string shape)
    {
        var clock = Stopwatch.StartNew();
        for (int part = Math.Max(1, input.Length / 2); part >= 1 && clock.Elapsed < 2 * Slow; part /= 2)
        {
            for (int at = 0; at + part <= input.Length && clock.Elapsed < 2 * Slow;)
            {
                byte[] smaller = [.. input[..at], .. input[(at + part)..]];
                if (Fault(smaller, out _) is { } fault && Shape(fault) == shape) input = smaller;
                else at += part;
            }
        }

        return input;
    }

    private static bool Names(string trace, string type) =>
        trace.Contains($".{type}.", StringComparison.Ordinal) || trace.Contains($".{type}`", StringComparison.Ordinal);

    private static int Size(int length) => 32 - int.LeadingZeroCount(length);

    private static string Shape(string message) => Numbers().Replace(Quoted().Replace(message, "''"), "0");

    [GeneratedRegex("'[^']*'|\"[^\"]*\"|/[^ :]*")]
    private static partial Regex Quoted();

    [GeneratedRegex("[0-9.,]+")]
    private static partial Regex Numbers();

    /// <summary>An input as it can be put into a test.</summary>
    public static string Shown(byte[] input) =>
        input.Length > 2000 ? $"{input.Length} bytes, base64 of the first: {Convert.ToBase64String(input, 0, 1500)}"
        : input.All(b => b is >= 32 and < 127 or (byte)'\n' or (byte)'\t' or (byte)'\r') ? Encoding.ASCII.GetString(input)
        : $"base64 {Convert.ToBase64String(input)}";
}
