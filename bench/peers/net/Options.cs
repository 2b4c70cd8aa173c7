using System.Globalization;

namespace Peers;

/// <summary>Options of the form <c>--name value</c>, and switches.</summary>
internal sealed class Options(string[] args)
{
    public string this[string name] => Find(name) ?? throw new ArgumentException($"{name} is missing");

    public string Work => Find("--work") ?? ".work";

    public string DType => Find("--dtype") switch
    {
        null or "f32" => "f32",
        "bf16" => "bf16",
        string other => throw new ArgumentException($"--dtype {other}: f32 or bf16 is wanted"),
    };

    public int Threads => Number("--threads", 2);

    public double Seconds => double.Parse(Find("--seconds") ?? "1", CultureInfo.InvariantCulture);

    public (int Batch, int Length) Shape
    {
        get
        {
            string[] parts = (Find("--shape") ?? "8x128").Split('x');
            return (Integer(parts[0]), Integer(parts[1]));
        }
    }

    public bool Has(string name) => Array.IndexOf(args, name) >= 0;

    public int Number(string name, int otherwise) => Find(name) is { } text ? Integer(text) : otherwise;

    private static int Integer(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private string? Find(string name)
    {
        int at = Array.IndexOf(args, name);
        return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
    }
}
