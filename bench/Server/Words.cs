using System.Globalization;
using System.Text;
using Dnabert2.Sequences;

namespace Bench.Server;

/// <summary>What was typed: options with a word each.</summary>
internal sealed class Words(string[] args)
{
    /// <summary>The word of an option.</summary>
    /// <exception cref="ArgumentException">It is missing, and there is nothing in its place.</exception>
    public string Text(string name, string? preferred = null)
    {
        int at = Array.IndexOf(args, name);
        return at >= 0 && at + 1 < args.Length ? args[at + 1] : preferred ?? throw new ArgumentException($"{name} is missing");
    }

    /// <summary>The number of an option.</summary>
    public int Number(string name, int preferred) =>
        int.Parse(Text(name, preferred.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);

    /// <summary>The server: on this machine alone, so that nobody else gets such a load.</summary>
    public Uri Url()
    {
        var url = new Uri(Text("--url"));
        return url.IsLoopback ? url : throw new ArgumentException($"{url}: not on this machine");
    }

    /// <summary>The sequences of the input.</summary>
    public string[] Sequences() => [.. SequenceReader.Read(Text("--input")).Select(record => Encoding.ASCII.GetString(record.Sequence))];
}
