namespace GpuBench;

/// <summary>
/// What was checked and measured, a line each in a file, so that a run that ended goes on where it was. What was begun and has no result
/// had ended its process: it counts as failed.
/// </summary>
internal sealed class Journal
{
    public const string Passed = "PASS", Failed = "FAIL", Skipped = "SKIP", Figure = "DATA", Begun = "....";

    private readonly string _path;
    private readonly List<JournalLine> _lines = [];

    /// <summary>Opens or makes a journal.</summary>
    public Journal(string path)
    {
        _path = path;
        if (!File.Exists(path)) return;
        foreach (string line in File.ReadLines(path))
            if (line.Split('\t') is [var result, var part, var name, var detail]) _lines.Add(new(result, part, name, detail));
        foreach (JournalLine line in _lines.Where(l => l.Result == Begun).ToArray())
            if (Find(line.Part, line.Name) is null) Add(new(Failed, line.Part, line.Name, "the process ended, or ran out of time"));
    }

    /// <summary>The results, in order.</summary>
    public IEnumerable<JournalLine> Results => _lines.Where(l => l.Result != Begun);

    /// <summary>The result of a check or measurement, or null.</summary>
    public JournalLine? Find(string part, string name) => _lines.Find(l => l.Result != Begun && l.Part == part && l.Name == name);

    /// <summary>Says that something is begun.</summary>
    public void Begin(string part, string name) => Write(new(Begun, part, name, ""));

    /// <summary>Adds a result, and prints it.</summary>
    public void Add(JournalLine line)
    {
        Write(line);
        Console.WriteLine($"{line.Result} {line.Part}: {line.Name}{(line.Detail.Length > 0 ? " — " + line.Detail : "")}");
    }

    private void Write(JournalLine line)
    {
        line = line with { Detail = string.Concat(line.Detail.Select(c => char.IsControl(c) ? ' ' : c)) };
        _lines.Add(line);
        File.AppendAllText(_path, $"{line.Result}\t{line.Part}\t{line.Name}\t{line.Detail}\n");
    }
}

/// <summary>A line of a <see cref="Journal"/>.</summary>
/// <param name="Result">How it went.</param>
/// <param name="Part">The part of the run.</param>
/// <param name="Name">What was checked or measured.</param>
/// <param name="Detail">Figures, or what is wrong.</param>
internal sealed record JournalLine(string Result, string Part, string Name, string Detail);
