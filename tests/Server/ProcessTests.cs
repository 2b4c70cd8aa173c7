using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using Tests.Tools;
using Tests.Training;
using Tests.Weights;

namespace Tests.Server;

[Trait("Category", "Slow")]
public sealed partial class ProcessTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const int Interrupt = 2, Terminate = 15;

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Terminate)]
    public async Task A_process_that_is_told_to_end_answers_what_it_took_and_ends_well(int signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent as on Unix");
        using Process process = Start("--model", toy.Folder, "--port", "0", "--threads", "1", "--max-input-tokens", "5000");
        string said = await process.StandardError.ReadLineAsync() ?? "";
        string address = said.Split(' ').First(word => word.StartsWith("http://", StringComparison.Ordinal));
        using var client = new HttpClient { BaseAddress = new Uri(address) };
        Assert.True((await client.GetAsync("/health")).IsSuccessStatusCode);
        Task<HttpResponseMessage>[] requests =
            [.. Enumerable.Range(0, 8).Select(i => client.PostAsJsonAsync("/embed", new { inputs = Toy.Bases((ulong)i, 6_000) }))];
        while (!(await client.GetStringAsync("/metrics")).Split('\n').Any(HasAll)) await Task.Delay(20);
        Assert.Equal(0, Kill(process.Id, signal));
        foreach (Task<HttpResponseMessage> request in requests) Assert.True((await request).IsSuccessStatusCode);
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(0, process.ExitCode);

        // All requests have been taken, or some of them even answered.
        static bool HasAll(string line) =>
            (line.StartsWith("dnabert2_server_requests{", StringComparison.Ordinal) && Value(line) == 8)
            || (line.StartsWith("dnabert2_embed_sequences_total{", StringComparison.Ordinal) && Value(line) == 8);
    }

    [Fact]
    public async Task What_cannot_be_served_is_said_with_an_exit_code()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["key"], "\n");
        foreach ((string[] args, int code, string said) in new (string[], int, string)[]
        {
            (["--model", folder["none"]], 1, "no such folder"),
            (["--port", "70000"], 2, "from 0 to 65535"),
            (["--host", "example.org"], 1, "expected an address"),
            (["--api-key-file", folder["key"]], 1, "there is no key in it"),
            (["--nonsense"], 2, "--nonsense"),
        })
        {
            using Process process = Start(args);
            string error = await process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
            Assert.Equal((code, true), (process.ExitCode, error.Contains(said, StringComparison.Ordinal)));
        }
    }

    private static double Value(string line) => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);

    private static Process Start(params string[] args) => System.Diagnostics.Process.Start(new ProcessStartInfo(
        "dotnet", [Path.Combine(AppContext.BaseDirectory, "dnabert2-server.dll"), .. args])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);
}
